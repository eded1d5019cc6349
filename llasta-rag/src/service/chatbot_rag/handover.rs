//! `response.send_to_frontend`: the answer on its way to whoever asked.

use llasta_telemetry::schema::response::SendToFrontend;

/// Counts what is handed over, and says so on the span whichever way it ends.
#[derive(Debug)]
pub(super) struct Handover {
    span: Option<SendToFrontend>,
    bytes: usize,
    final_chars: usize,
    has_thinking: bool,
}

impl Handover {
    pub(super) fn start() -> Self {
        Self {
            span: Some(SendToFrontend::start()),
            bytes: 0,
            final_chars: 0,
            has_thinking: false,
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(super) fn answer(&mut self, final_chars: usize, has_thinking: bool) {
        self.final_chars += final_chars;
        self.has_thinking |= has_thinking;
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            span.finish(self.bytes, self.final_chars, self.has_thinking);
        }
    }
}
