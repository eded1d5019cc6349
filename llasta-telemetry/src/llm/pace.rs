//! When the pieces of an answer came.

use std::time::{Duration, Instant};

use crate::span::{Span, SystemClock};

/// First piece, last piece, and the longest gap between two. One reading of the clock and one
/// addition for each piece: gaps are compared, and only one that is the longest is measured.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// A test holds the clock: the span knows its time.
    held: bool,
    first: Option<Instant>,
    last: Instant,
    longest: Duration,
    /// A piece after this ends the longest gap so far.
    longest_until: Instant,
    pieces: u64,
}

/// A piece that came, but the first.
pub(super) struct Next {
    at: Instant,
    before: Instant,
    pub(super) is_longest: bool,
}

impl Next {
    /// Since the piece before.
    pub(super) fn gap(&self) -> Duration {
        self.at.saturating_duration_since(self.before)
    }
}

impl Pace {
    pub(super) fn new(span: &Span) -> Self {
        let now = Instant::now();
        let clock = span.telemetry().map(|telemetry| &telemetry.tracer().clock);
        Self {
            started: now,
            held: matches!(clock, Some(SystemClock::Custom(_))),
            first: None,
            last: now,
            longest: Duration::ZERO,
            longest_until: now,
            pieces: 0,
        }
    }

    #[inline]
    fn now(&self, span: &Span) -> Instant {
        if self.held {
            self.started + span.elapsed()
        } else {
            Instant::now()
        }
    }

    /// A piece is there; `None` when it is the first.
    #[inline]
    pub(super) fn piece(&mut self, span: &Span) -> Option<Next> {
        let now = self.now(span);
        self.pieces += 1;
        if self.pieces == 1 {
            self.first = Some(now);
            self.last = now;
            self.longest_until = now;
            return None;
        }
        let mut next = Next {
            at: now,
            before: self.last,
            is_longest: false,
        };
        if now > self.longest_until {
            next.is_longest = true;
            self.longest = next.gap();
        }
        self.last = now;
        self.longest_until = now + self.longest;
        Some(next)
    }

    pub(super) fn pieces(&self) -> u64 {
        self.pieces
    }

    /// From the start to the first piece.
    pub(super) fn to_first(&self) -> Option<Duration> {
        Some(self.first?.saturating_duration_since(self.started))
    }

    /// From the first piece to the last.
    pub(super) fn first_to_last(&self) -> Option<Duration> {
        Some(self.last.saturating_duration_since(self.first?))
    }

    /// The longest gap, when there was one.
    pub(super) fn longest_gap(&self) -> Option<Duration> {
        (self.pieces > 1).then_some(self.longest)
    }
}
