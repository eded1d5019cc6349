//! Which traces are kept.

use opentelemetry::trace::{SpanContext, TraceId};
use opentelemetry_sdk::trace as sdk;

use crate::error::Error;

/// Decides whether a trace is kept, from its id and the caller's decision alone: before a name, an
/// attribute or anything else is built.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampler {
    /// Every trace.
    AlwaysOn,
    /// No trace.
    AlwaysOff,
    /// This share of all traces, 0 to 1, by trace id: services with the same share agree.
    Ratio(f64),
    /// As the caller decided; without a caller, every trace.
    ParentOrAlwaysOn,
    /// As the caller decided; without a caller, no trace.
    ParentOrAlwaysOff,
    /// As the caller decided; without a caller, this share.
    ParentOrRatio(f64),
}

impl Sampler {
    /// Reads the values of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    ///
    /// # Errors
    ///
    /// A name that is none, or a share that is no number from 0 to 1.
    pub fn parse(name: &str, share: Option<&str>) -> Result<Self, Error> {
        let ratio = || {
            match share {
            None => Ok(1.0),
            Some(text) => text.trim().parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| {
                Error::config(format!("OTEL_TRACES_SAMPLER_ARG is `{text}`: give the share of traces to keep, from 0 to 1"))
            }),
        }
        };
        Ok(match name.trim() {
            "always_on" => Self::AlwaysOn,
            "always_off" => Self::AlwaysOff,
            "traceidratio" => Self::Ratio(ratio()?),
            "parentbased_always_on" => Self::ParentOrAlwaysOn,
            "parentbased_always_off" => Self::ParentOrAlwaysOff,
            "parentbased_traceidratio" => Self::ParentOrRatio(ratio()?),
            other => {
                return Err(Error::config(format!(
                    "OTEL_TRACES_SAMPLER is `{other}`: use always_on, always_off, traceidratio, \
                     parentbased_always_on, parentbased_always_off or parentbased_traceidratio"
                )));
            }
        })
    }

    /// Whether a span of this trace is kept.
    #[inline]
    pub(crate) fn keeps(self, parent: Option<&SpanContext>, trace_id: TraceId) -> bool {
        match (self, parent) {
            (
                Self::ParentOrAlwaysOn | Self::ParentOrAlwaysOff | Self::ParentOrRatio(_),
                Some(parent),
            ) => parent.is_sampled(),
            (Self::AlwaysOn | Self::ParentOrAlwaysOn, _) => true,
            (Self::AlwaysOff | Self::ParentOrAlwaysOff, _) => false,
            (Self::Ratio(ratio) | Self::ParentOrRatio(ratio), _) => below(ratio, trace_id),
        }
    }

    /// Whether it keeps no trace that begins here.
    #[cfg(feature = "client")]
    pub(crate) fn is_off(self) -> bool {
        matches!(self, Self::AlwaysOff | Self::ParentOrAlwaysOff)
    }

    /// The same decision for spans that pass through the SDK.
    pub(crate) fn for_sdk(self) -> sdk::Sampler {
        match self {
            Self::AlwaysOn => sdk::Sampler::AlwaysOn,
            Self::AlwaysOff => sdk::Sampler::AlwaysOff,
            Self::Ratio(ratio) => sdk::Sampler::TraceIdRatioBased(ratio),
            Self::ParentOrAlwaysOn => sdk::Sampler::ParentBased(Box::new(sdk::Sampler::AlwaysOn)),
            Self::ParentOrAlwaysOff => sdk::Sampler::ParentBased(Box::new(sdk::Sampler::AlwaysOff)),
            Self::ParentOrRatio(ratio) => {
                sdk::Sampler::ParentBased(Box::new(sdk::Sampler::TraceIdRatioBased(ratio)))
            }
        }
    }
}

impl Default for Sampler {
    /// What OpenTelemetry's specification says: the caller decides, and without one all are kept.
    fn default() -> Self {
        Self::ParentOrAlwaysOn
    }
}

/// As OpenTelemetry's SDKs decide: by the lower 63 bits of the trace id.
fn below(ratio: f64, trace_id: TraceId) -> bool {
    if ratio >= 1.0 {
        return true;
    }
    let bound = (ratio.max(0.0) * (1u64 << 63) as f64) as u64;
    let low = u128::from_be_bytes(trace_id.to_bytes()) as u64;
    (low >> 1) < bound
}
