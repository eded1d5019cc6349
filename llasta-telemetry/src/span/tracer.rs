//! What every span of one [`Telemetry`](crate::Telemetry) shares.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData};

use super::Sampler;
use crate::error::Error;

/// Where spans go when they end. Must return at once: it is called on the request's own thread.
pub trait SpanSink: fmt::Debug + Send + Sync + 'static {
    /// Takes a span that has ended.
    fn on_end(&self, span: SpanData);
}

/// A clock, for tests in which time stands still.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// Under which names attributes are emitted that OpenTelemetry names too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    /// The contract's.
    Llasta,
    /// OpenTelemetry's.
    Otel,
    /// Both.
    #[default]
    Both,
}

impl FromStr for Names {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "llasta" => Ok(Self::Llasta),
            "otel" => Ok(Self::Otel),
            "both" => Ok(Self::Both),
            other => Err(Error::config(format!(
                "`{other}` names no attributes: use llasta, otel or both"
            ))),
        }
    }
}

/// What every span of one [`Telemetry`](crate::Telemetry) shares.
#[derive(Debug)]
pub struct Tracer {
    pub(crate) sampler: Sampler,
    pub(crate) names: Names,
    pub(crate) ids: Ids,
    pub(crate) clock: SystemClock,
    pub(crate) sink: Arc<dyn SpanSink>,
}

/// The source of ids.
#[derive(Debug)]
pub(crate) enum Ids {
    Random(RandomIdGenerator),
    Custom(Arc<dyn IdGenerator>),
}

impl Ids {
    pub(crate) fn trace(&self) -> TraceId {
        match self {
            Self::Random(random) => random.new_trace_id(),
            Self::Custom(custom) => custom.new_trace_id(),
        }
    }

    pub(crate) fn span(&self) -> SpanId {
        match self {
            Self::Random(random) => random.new_span_id(),
            Self::Custom(custom) => custom.new_span_id(),
        }
    }
}

/// The system's clock, or one that a test holds.
#[derive(Debug, Clone)]
pub(crate) enum SystemClock {
    System,
    Custom(Arc<dyn Clock>),
}

/// When something started: on the wall, and on the clock that never steps back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    steady: Instant,
}

impl SystemClock {
    pub(crate) fn now(&self) -> Moment {
        Moment {
            wall: self.wall(),
            steady: Instant::now(),
        }
    }

    /// The time on the wall.
    pub(crate) fn wall(&self) -> SystemTime {
        match self {
            Self::System => SystemTime::now(),
            Self::Custom(clock) => clock.now(),
        }
    }

    /// The time now, where the wall may turn out not to matter: the system's is not looked at.
    #[cfg(feature = "http")]
    pub(crate) fn steady(&self) -> Moment {
        Moment {
            wall: match self {
                Self::System => SystemTime::UNIX_EPOCH,
                Self::Custom(clock) => clock.now(),
            },
            steady: Instant::now(),
        }
    }

    /// How long ago that was. A wall clock that is set meanwhile does not matter.
    pub(crate) fn since(&self, moment: &Moment) -> Duration {
        match self {
            Self::System => moment.steady.elapsed(),
            Self::Custom(clock) => clock.now().duration_since(moment.wall).unwrap_or_default(),
        }
    }
}
