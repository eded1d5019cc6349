//! What a value on the command line may be. Each refusal says what is allowed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use llasta_rag::index::{IndexDevice, IndexKind};
use llasta_telemetry::line::Style;

pub(super) fn style(text: &str) -> Result<Style, llasta_telemetry::Error> {
    text.parse()
}

pub(super) fn index_kind(text: &str) -> Result<IndexKind, <IndexKind as FromStr>::Err> {
    text.parse()
}

pub(super) fn index_device(text: &str) -> Result<IndexDevice, <IndexDevice as FromStr>::Err> {
    text.parse()
}

/// A whole number within bounds.
pub(super) fn whole<N>(
    range: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                format!(
                    "give a whole number from {} to {}",
                    range.start(),
                    range.end()
                )
            })
    }
}

/// A whole number without an upper bound.
pub(super) fn at_least<N>(
    least: N,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|number| *number >= least)
            .ok_or_else(|| format!("give a whole number, {least} or more"))
    }
}

/// A similarity.
pub(super) fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| "give a number from 0 to 1".to_owned())
}

/// The address of a service, without a slash at its end.
pub(super) fn url(text: &str) -> Result<String, String> {
    match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(
            "give an address that begins with http:// or https://, such as http://127.0.0.1:9000"
                .to_owned(),
        ),
    }
}

/// The same, or nothing: deployments set a variable to nothing where there is nothing to set.
pub(super) fn url_or_nothing(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    url(text)
}
