//! Floor 2: which span is current, and how that survives threads, tasks and the network.
//!
//! The current span lives in OpenTelemetry's own [`Context`](opentelemetry::Context), so typed
//! spans, spans of the `tracing` crate and spans of any OpenTelemetry library nest under each
//! other. Beside it stands the current [`Telemetry`](crate::Telemetry): a typed span is recorded
//! by whoever records its parent, and two of them in one process do not mix.
//!
//! What travels beside the ids, such as the session of a request, is [`baggage`].
//!
//! Tasks and threads start with an empty context, and what they do is then no part of the trace.
//! Wrap what they run:
//!
//! | where it runs | what takes the context along |
//! |---|---|
//! | `tokio::spawn`, `JoinSet::spawn` | `spawn(carry(future))` |
//! | `tokio::task::spawn_blocking`, `JoinSet::spawn_blocking` | `spawn_blocking(carry_fn(closure))` |
//! | `std::thread::spawn`, scoped threads | `spawn(carry_fn(closure))` |
//! | `rayon::spawn`, `rayon::join`, `ThreadPool::install` | `carry_fn(closure)` for each closure |
//! | rayon's parallel iterators | `let scope = Scope::current();` before, [`scope.in_scope`](Scope::in_scope) in each closure |
//!
//! The context is that of the moment in which [`carry`], [`carry_fn`] or [`Scope::current`] is
//! called: call them where the span is current, not inside the new task. Typed spans, `tracing`
//! spans, log lines, exemplars and baggage all follow it.

pub mod baggage;
mod carry;
mod scope;
pub mod w3c;

pub use self::baggage::with_baggage;
pub use self::carry::{Carried, carry, carry_fn};
pub use self::scope::{Entered, Ids, Scope, ids};
pub(crate) use self::scope::{current_telemetry, enter};
