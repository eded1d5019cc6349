//! What differs between what a service says and what its schema declares.
//!
//! Each function takes what was captured and returns [`Finding`]s; none means that it conforms.
//! They look at text and spans alone, so the service may be written in any language:
//!
//! * [`check`] is all of the below, and compares the signals with each other;
//!   [`assert_conforms`] is the same for a test,
//! * [`spans`] compares each span with its declaration: kind, name, parent, times, attributes and
//!   their types, OpenTelemetry's names beside ours, the status of failures, the resource,
//! * [`chat_request`] compares a trace with the twelve spans of one chat request,
//! * [`metrics`] compares a metrics page with the declared instruments, labels and buckets,
//! * [`log_lines`] compares JSON log lines with the fields that every line has.
//!
//! Equal findings are reported once, however many spans or lines they concern.

mod access;
mod attributes;
mod cardinality;
mod chat;
mod check;
mod excuse;
mod exemplars;
mod finding;
mod http;
mod log;
mod metrics;
mod old;
mod page;
mod parent;
mod record;
mod requests;
mod retried;
mod spans;
mod sums;
mod time;
mod tree;
mod units;
mod values;

pub use self::chat::chat_request;
pub use self::check::{assert_conforms, check};
pub use self::finding::{Finding, FindingId, Level, Signal};
pub use self::log::log_lines;
pub use self::metrics::metrics;
pub use self::spans::spans;
