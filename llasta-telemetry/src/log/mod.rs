//! Floor 3: log lines from `tracing`, and `tracing` spans in the same traces.
//!
//! Events become lines of the form the contract gives, with the ids of the innermost span,
//! whoever made it, and the baggage entries of the allow-list. Spans become OpenTelemetry spans through `tracing-opentelemetry`, with their
//! context activated, so they nest under typed spans and the reverse. What transports log while
//! they export is kept out of the traces: it would feed itself.

mod layer;
mod subscriber;

pub use self::layer::LineLayer;
pub(crate) use self::subscriber::subscriber;
