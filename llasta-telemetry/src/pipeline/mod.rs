//! Floor 3: where it goes.
//!
//! Spans that have ended wait in a bounded queue; a thread of its own exports them in batches. What
//! does not fit is counted, never waited for. Flushing and shutting down are asked of that thread
//! and have a deadline, so they work in any runtime and cannot hang.

mod endpoint;
mod otlp;
mod processor;
mod queue;
mod worker;

pub(crate) use self::endpoint::Endpoint;
pub(crate) use self::otlp::exporter;
pub(crate) use self::processor::Processor;
pub(crate) use self::queue::Queue;
pub use self::queue::QueueLimits;
