//! Floor 2: one log line.
//!
//! Two things write log lines: the tower layer its access line, by hand, and the `tracing` layer
//! everybody's events. This is what they share: the buffer, the escaping, the clock face, and the
//! sink that takes whole lines.

mod time;
mod write;

#[cfg(feature = "http")]
pub(crate) use self::write::Prepared;
pub use self::write::{Level, Line, LineSink, Style};
