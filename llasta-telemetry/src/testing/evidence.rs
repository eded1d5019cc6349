//! What was captured of one or several services, all signals together.

use std::collections::BTreeMap;

use super::page::{Page, Unreadable};
use super::{AttributeValue, CapturedSpan};

/// Everything that was captured of one or several services.
///
/// ```
/// use llasta_telemetry::testing::{CapturedPage, Evidence};
///
/// let page = CapturedPage::read("/metrics", "requests_total 1\n").of_service("shop");
/// let evidence = Evidence::new().page(page).lines([r#"{"message":"hello"}"#]);
/// assert_eq!(evidence.pages[0].service.as_deref(), Some("shop"));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Evidence {
    /// Spans that ended.
    pub spans: Vec<CapturedSpan>,
    /// Metrics pages.
    pub pages: Vec<CapturedPage>,
    /// Lines of standard output.
    pub lines: Vec<String>,
    /// Log records that came over OTLP.
    pub logs: Vec<CapturedLog>,
}

impl Evidence {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// And these spans.
    #[must_use]
    pub fn spans(mut self, spans: impl IntoIterator<Item = CapturedSpan>) -> Self {
        self.spans.extend(spans);
        self
    }

    /// And this metrics page.
    #[must_use]
    pub fn page(mut self, page: CapturedPage) -> Self {
        self.pages.push(page);
        self
    }

    /// And these lines of standard output.
    #[must_use]
    pub fn lines(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.lines.extend(lines.into_iter().map(Into::into));
        self
    }

    /// And these log records.
    #[must_use]
    pub fn logs(mut self, logs: impl IntoIterator<Item = CapturedLog>) -> Self {
        self.logs.extend(logs);
        self
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
            && self.pages.is_empty()
            && self.lines.is_empty()
            && self.logs.is_empty()
    }
}

/// The metrics of one service at one time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CapturedPage {
    /// The service, where that is known; else the page says by `llasta_build_info`.
    pub service: Option<String>,
    /// Where it was read, for messages.
    pub source: String,
    /// How it was written.
    pub format: PageFormat,
    /// What stands on it.
    pub page: Result<Page, Unreadable>,
}

impl CapturedPage {
    /// Reads Prometheus' text format or OpenMetrics, which ends in `# EOF`.
    pub fn read(source: impl Into<String>, text: &str) -> Self {
        Self {
            service: None,
            source: source.into(),
            format: if text.trim_end().ends_with("# EOF") {
                PageFormat::OpenMetrics
            } else {
                PageFormat::Text
            },
            page: Page::parse(text),
        }
    }

    /// The page is of the service of this name.
    #[must_use]
    pub fn of_service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }
}

/// How metrics were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageFormat {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics, which has exemplars.
    OpenMetrics,
    /// OTLP, under the names that Prometheus gives such metrics.
    Otlp,
}

/// One log record, as it came over OTLP.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CapturedLog {
    /// The resource's `service.name`; empty when it has none.
    pub service: String,
    /// The severity's text, such as `INFO`.
    pub severity: String,
    /// What it says.
    pub body: String,
    /// The trace it was written in: 32 hex digits.
    pub trace_id: Option<String>,
    /// The span it was written in: 16 hex digits.
    pub span_id: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The attributes of the resource.
    pub resource: BTreeMap<String, AttributeValue>,
}
