//! What became of a call.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::call::Usage;
use crate::schema::labels::Outcome;

/// What became of a call, for a log line or metrics of your own.
///
/// How long the gaps between the pieces were is said here and not on the span: the telemetry
/// contract has no name for it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChatSummary {
    /// Whole, failed, or nobody listened any more.
    pub outcome: Outcome,
    /// From the start until it was settled.
    pub duration: Duration,
    /// From the start to the first piece. One answer that was not streamed is one piece.
    pub time_to_first_token: Option<Duration>,
    /// The longest time between two pieces, when there were two.
    pub longest_gap: Option<Duration>,
    /// Pieces that held something.
    pub pieces: u64,
    /// What the server's usage block said.
    pub usage: Usage,
    /// Why the model stopped, when it said so.
    pub finish_reason: Option<Cow<'static, str>>,
}

/// Told what became of a call.
pub(super) struct Hook(pub(super) Box<dyn FnOnce(&ChatSummary) + Send + Sync>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
