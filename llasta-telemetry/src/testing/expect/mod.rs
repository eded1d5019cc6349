//! Assertions that read as sentences.
//!
//! Each begins with what is expected, [`Evidence::expect_span`], [`expect_metric`] or
//! [`expect_line`], and goes on with what must hold of it. A condition that nothing meets panics
//! at the caller's line and says what is there instead.
//!
//! [`expect_metric`]: Evidence::expect_metric
//! [`expect_line`]: Evidence::expect_line

mod line;
mod metric;
mod span;
mod value;

pub use self::line::ExpectedLine;
pub use self::metric::ExpectedMetric;
pub use self::span::ExpectedSpan;
use super::Evidence;

impl Evidence {
    /// Expects a span of this name.
    ///
    /// ```
    /// use llasta_telemetry::schema::rag::RetrieveContext;
    /// use llasta_telemetry::testing::Recorder;
    ///
    /// let seen = Recorder::new("chatbot-rag");
    /// RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    ///
    /// seen.evidence()
    ///     .expect_span("rag.retrieve_context")
    ///     .from_service("chatbot-rag")
    ///     .with("rag.top_k", 5)
    ///     .without("rag.query")
    ///     .once();
    /// ```
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn expect_span(&self, name: &str) -> ExpectedSpan {
        ExpectedSpan::new(&self.spans, name)
    }

    /// Expects that there is no span of this name.
    ///
    /// # Panics
    ///
    /// When there is one.
    #[track_caller]
    pub fn expect_no_span(&self, name: &str) {
        let there = self.spans.iter().filter(|span| span.name == name).count();
        assert!(
            there == 0,
            "expected no span `{name}`, but there are {there}"
        );
    }

    /// Expects a metric, by its name or by a series such as
    /// `chatbot_requests_total{status="success"}`: all series that bear these labels.
    ///
    /// # Panics
    ///
    /// When no page has it, or a page could not be read.
    #[track_caller]
    pub fn expect_metric(&self, series: &str) -> ExpectedMetric {
        ExpectedMetric::new(&self.pages, series)
    }

    /// Expects a log line with this message.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn expect_line(&self, message: &str) -> ExpectedLine {
        ExpectedLine::new(&self.lines, message)
    }
}
