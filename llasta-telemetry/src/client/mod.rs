//! Floor 3: client telemetry for `reqwest`.
//!
//! The middleware opens a CLIENT span for each attempt, sends ids and baggage along and ends the
//! span at the last byte of the answer, streamed or not. Put it behind a retrying middleware to see each
//! attempt, with its `http.request.resend_count`.

mod attempt;
mod body;
mod known;
mod middleware;
mod url;

pub use self::middleware::{PeerService, TelemetryMiddleware, UrlTemplate};
