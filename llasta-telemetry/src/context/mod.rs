//! Floor 2: which span is current, and how that survives threads, tasks and the network.
//!
//! The current span lives in OpenTelemetry's own [`Context`](opentelemetry::Context), so typed
//! spans, spans of the `tracing` crate and spans of any OpenTelemetry library nest under each
//! other. Beside it stands the current [`Telemetry`](crate::Telemetry): a typed span is recorded
//! by whoever records its parent, and two of them in one process do not mix.
//!
//! What travels beside the ids, such as the session of a request, is [`baggage`].
//!
//! Tasks and threads start with an empty context: [`carry`] and [`carry_fn`] take it along.

pub mod baggage;
mod carry;
mod scope;
pub mod w3c;

pub use self::baggage::with_baggage;
pub use self::carry::{Carried, carry, carry_fn};
pub use self::scope::{Entered, Ids, Scope, ids};
pub(crate) use self::scope::{current_telemetry, enter};
