//! Floor 2: spans that the schema types.
//!
//! A typed span is an OpenTelemetry span: its context is OpenTelemetry's, libraries that use
//! OpenTelemetry's API reach it as the current span, and what it becomes at its end is the SDK's
//! own `SpanData`. It does not pass through the SDK's tracer, though: sampling is asked before
//! anything is built, and what is held meanwhile is smaller.

mod attribute;
mod open;
mod recording;
mod sampler;
mod tracer;
mod typed;

pub use self::attribute::IntoAttribute;
pub(crate) use self::attribute::name;
#[cfg(feature = "client")]
pub(crate) use self::open::pass;
#[cfg(feature = "http")]
pub(crate) use self::open::{Opened, open};
pub use self::sampler::Sampler;
pub use self::tracer::{Clock, Names, SpanSink, Tracer};
pub(crate) use self::tracer::{Ids, Moment, SystemClock};
#[doc(hidden)]
pub use self::typed::First;
#[cfg(feature = "http")]
pub(crate) use self::typed::fail;
pub use self::typed::{InSpan, Span};
