//! The variables of the environment: what they say, and what is wrong with it.

use std::str::FromStr;
use std::time::Duration;

use opentelemetry::Key;

use crate::content::ContentPolicy;
use crate::context::baggage;
use crate::context::baggage::percent_decoded;
use crate::error::Error;
use crate::line::Style;
use crate::pipeline::QueueLimits;
use crate::span::{Names, Sampler};
use crate::telemetry::Propagate;

/// The settings that come from the environment.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) service: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) disabled: bool,
    pub(super) exports: bool,
    pub(super) propagate: Propagate,
    pub(super) baggage_keys: Option<Box<[Key]>>,
    /// With the variable it comes from.
    pub(super) endpoint: Option<(&'static str, String)>,
    pub(super) sampler: Option<Sampler>,
    pub(super) names: Option<Names>,
    pub(super) content: ContentPolicy,
    pub(super) limits: QueueLimits,
    pub(super) style: Option<Style>,
    /// With the variable it comes from.
    pub(super) filter: Option<(&'static str, String)>,
}

impl Environment {
    pub(super) fn read() -> Result<Self, Error> {
        let get = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        let sampler = match get("OTEL_TRACES_SAMPLER") {
            Some(name) => Some(Sampler::parse(
                &name,
                get("OTEL_TRACES_SAMPLER_ARG").as_deref(),
            )?),
            None => None,
        };
        let exports = match get("OTEL_TRACES_EXPORTER").as_deref().map(str::trim) {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(other) => {
                return Err(Error::config(format!(
                    "OTEL_TRACES_EXPORTER is `{other}`: use otlp or none"
                )));
            }
        };
        let propagate = match get("OTEL_PROPAGATORS") {
            None => Propagate::ALL,
            Some(list) => {
                let known = ["tracecontext", "baggage", "none"];
                if let Some(other) = list
                    .split(',')
                    .map(str::trim)
                    .find(|name| !known.contains(name))
                {
                    return Err(Error::config(format!(
                        "OTEL_PROPAGATORS names `{other}`: use tracecontext, baggage or none"
                    )));
                }
                let names = |one: &str| list.split(',').any(|name| name.trim() == one);
                Propagate {
                    trace_context: names("tracecontext"),
                    baggage: names("baggage"),
                }
            }
        };
        for variable in [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ] {
            if let Some(other) = get(variable).filter(|protocol| protocol.trim() != "grpc") {
                return Err(Error::config(format!(
                    "{variable} is `{other}`: use grpc, and the collector's port for it, usually 4317"
                )));
            }
        }
        let content = ContentPolicy::new(
            parse(get, "LLASTA_CONTENT")?,
            parse(get, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")?.unwrap_or_default(),
        );
        let first = |variables: [&'static str; 2]| {
            variables
                .into_iter()
                .find_map(|variable| Some((variable, get(variable)?)))
        };
        Ok(Self {
            service: get("OTEL_SERVICE_NAME"),
            attributes: attributes(&get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default())?,
            disabled: get("OTEL_SDK_DISABLED")
                .is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
            exports,
            propagate,
            baggage_keys: baggage_keys(get)?,
            endpoint: first([
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
            ]),
            sampler,
            names: parse(get, "LLASTA_ATTRIBUTE_NAMES")?,
            content,
            limits: limits(get)?,
            style: parse(get, "LLASTA_LOG_FORMAT")?,
            filter: first(["LLASTA_LOG", "RUST_LOG"]),
        })
    }
}

/// The value of a variable that is set.
fn parse<T: FromStr<Err = Error>>(
    get: impl Fn(&str) -> Option<String>,
    variable: &str,
) -> Result<Option<T>, Error> {
    let value = get(variable).map(|text| text.parse());
    value
        .transpose()
        .map_err(|error: Error| error.about(variable))
}

/// `name,name`, or `none`.
fn baggage_keys(get: impl Fn(&str) -> Option<String>) -> Result<Option<Box<[Key]>>, Error> {
    const VARIABLE: &str = "LLASTA_BAGGAGE_ATTRIBUTES";
    let Some(list) = get(VARIABLE) else {
        return Ok(None);
    };
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && *name != "none");
    baggage::allow_list(names.map(str::to_owned))
        .map(Some)
        .map_err(|error| error.about(VARIABLE))
}

fn limits(get: impl Fn(&str) -> Option<String>) -> Result<QueueLimits, Error> {
    let number = |name: &str| match get(name) {
        None => Ok(None),
        Some(text) => text
            .trim()
            .parse::<u64>()
            .map(Some)
            .map_err(|_| Error::config(format!("{name} is `{text}`: give a whole number"))),
    };
    let size = |name: &str, default: usize| -> Result<usize, Error> {
        Ok(number(name)?
            .map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
            .clamp(1, 1 << 20))
    };
    let default = QueueLimits::default();
    let capacity = size("OTEL_BSP_MAX_QUEUE_SIZE", default.capacity)?;
    Ok(QueueLimits {
        capacity,
        batch: size("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", default.batch)?.min(capacity),
        delay: number("OTEL_BSP_SCHEDULE_DELAY")?.map_or(default.delay, Duration::from_millis),
        timeout: number("OTEL_BSP_EXPORT_TIMEOUT")?.map_or(default.timeout, Duration::from_millis),
    })
}

/// `key=value,key=value`, in which a percent sign and two hex digits stand for a byte.
fn attributes(text: &str) -> Result<Vec<(String, String)>, Error> {
    let wrong = |pair: &str| {
        Error::config(format!(
            "OTEL_RESOURCE_ATTRIBUTES holds `{pair}`: write key=value,key=value, with %2C for a comma and %25 for a percent sign"
        ))
    };
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(|| wrong(pair))?;
            match (decoded(key.trim()), decoded(value.trim())) {
                (Some(key), Some(value)) if !key.is_empty() => Ok((key, value)),
                _ => Err(wrong(pair)),
            }
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_decoded(text)?).ok()
}
