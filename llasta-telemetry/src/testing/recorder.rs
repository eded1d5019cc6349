//! A telemetry that keeps what it records.

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::IdGenerator;

use super::page::Page;
use super::{
    Capture, CapturedPage, CapturedSpan, Evidence, ExpectedLine, ExpectedMetric, ExpectedSpan,
    FixedIds, StillClock, conform,
};
use crate::content::ContentPolicy;
use crate::line::{LineSink, Style};
use crate::metrics::{Format, Registry};
use crate::schema::sdk::{BuildMetrics, SdkMetrics};
use crate::schema::{Namespace, Schema, resource};
use crate::span::{Ids, Names, Sampler, SystemClock, Tracer};
use crate::telemetry::{Inner, Propagate, Telemetry};

/// The version of the service under test.
const VERSION: &str = "0.0.0";

/// A telemetry that keeps its spans, metrics and log lines, with [`FixedIds`] and a
/// [`StillClock`]. Cheap to clone: clones are the same.
#[derive(Debug, Clone)]
pub struct Recorder {
    telemetry: Telemetry,
    capture: Capture,
    clock: Arc<StillClock>,
    lines: Arc<Mutex<Vec<String>>>,
    /// Whether the page has what an installed telemetry adds to it.
    installed: Arc<Once>,
}

impl Recorder {
    /// The recorder of a service of this name.
    pub fn new(service: &str) -> Self {
        Self::builder(service).build()
    }

    /// The same with settings.
    pub fn builder(service: &str) -> RecorderBuilder {
        RecorderBuilder {
            service: service.to_owned(),
            sampler: Sampler::AlwaysOn,
            names: Names::default(),
            content: ContentPolicy::default(),
            propagate: true,
            ids: Arc::new(FixedIds::new(service)),
            clock: Arc::new(StillClock::new()),
            attributes: Vec::new(),
            schema: Schema::contract(),
        }
    }

    /// The telemetry to give to the code under test.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// The clock of its spans.
    pub fn clock(&self) -> &StillClock {
        &self.clock
    }

    /// The spans so far, in the order they ended.
    pub fn spans(&self) -> Vec<CapturedSpan> {
        self.capture.spans()
    }

    /// The same, and forgets them.
    pub fn take_spans(&self) -> Vec<CapturedSpan> {
        self.capture.take_spans()
    }

    /// The only span of this name so far; `None` when there is none, or more than one.
    pub fn span(&self, name: &str) -> Option<CapturedSpan> {
        let mut spans = self.spans().into_iter().filter(|span| span.name == name);
        spans.next().filter(|_| spans.next().is_none())
    }

    /// The spans, as soon as `enough` says so or when the deadline has passed: for spans that end
    /// on their own time, such as those of a streamed body.
    pub async fn wait_until(
        &self,
        enough: impl FnMut(&[CapturedSpan]) -> bool,
        deadline: Duration,
    ) -> Vec<CapturedSpan> {
        self.capture.wait_until(enough, deadline).await
    }

    /// The metrics page as a scraper gets it.
    pub fn page_text(&self, format: Format) -> String {
        self.telemetry.registry().render(format)
    }

    /// The metrics page, read.
    pub fn page(&self) -> Page {
        // Our own page; were it ever unreadable, the tests of the encoder say so.
        Page::parse(&self.page_text(Format::OpenMetrics)).unwrap_or_default()
    }

    /// The value of a series such as `chatbot_requests_total{status="success"}`: the sum of all
    /// that bear these labels, `None` when none does.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.page().value(series)
    }

    /// The same for a counter, as a whole number.
    pub fn counter(&self, series: &str) -> Option<u64> {
        self.metric(series).map(|value| value as u64)
    }

    /// Everything so far: spans, the metrics page as OpenMetrics, and log lines. What a service's
    /// page gets when its telemetry is installed, such as the build, is on it too.
    pub fn evidence(&self) -> Evidence {
        self.installed.call_once(|| {
            let registry = self.telemetry.registry();
            BuildMetrics::register(registry)
                .build_info(self.telemetry.service_name(), VERSION)
                .set(1);
            SdkMetrics::register(registry);
            crate::metrics::process::register(registry);
        });
        let page = CapturedPage::read("/metrics", &self.page_text(Format::OpenMetrics));
        Evidence::new()
            .spans(self.spans())
            .page(page.of_service(self.telemetry.service_name()))
            .lines(self.log_lines())
    }

    /// Expects a span of this name: see [`Evidence::expect_span`].
    #[track_caller]
    pub fn expect_span(&self, name: &str) -> ExpectedSpan {
        self.evidence().expect_span(name)
    }

    /// Expects that there is no span of this name.
    #[track_caller]
    pub fn expect_no_span(&self, name: &str) {
        self.evidence().expect_no_span(name);
    }

    /// Expects a metric: see [`Evidence::expect_metric`].
    #[track_caller]
    pub fn expect_metric(&self, series: &str) -> ExpectedMetric {
        self.evidence().expect_metric(series)
    }

    /// Expects a log line with this message: see [`Evidence::expect_line`].
    #[track_caller]
    pub fn expect_line(&self, message: &str) -> ExpectedLine {
        self.evidence().expect_line(message)
    }

    /// Compares everything so far with a schema, such as [`Telemetry::schema`]: see
    /// [`conform::check`].
    ///
    /// # Panics
    ///
    /// When something differs: with each finding on a line of its own.
    #[track_caller]
    pub fn assert_conforms(&self, schema: &Schema) {
        conform::assert_conforms(schema, &self.evidence());
    }

    /// The log lines so far, each one JSON object.
    pub fn log_lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How a [`Recorder`] differs from the usual.
#[derive(Debug)]
#[must_use = "call `build`"]
pub struct RecorderBuilder {
    service: String,
    sampler: Sampler,
    names: Names,
    content: ContentPolicy,
    propagate: bool,
    ids: Arc<dyn IdGenerator>,
    clock: Arc<StillClock>,
    attributes: Vec<KeyValue>,
    schema: Schema,
}

impl RecorderBuilder {
    /// Which traces are kept. Usually all.
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// Under which names attributes are written. Usually both.
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// What of people's words is kept.
    pub fn content(mut self, content: ContentPolicy) -> Self {
        self.content = content;
        self
    }

    /// Whether ids are sent along to neighbours. Usually they are.
    pub fn propagate(mut self, propagate: bool) -> Self {
        self.propagate = propagate;
        self
    }

    /// Other ids than the usual [`FixedIds`].
    pub fn ids(mut self, ids: impl IdGenerator + 'static) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// A clock that is shared with other recorders.
    pub fn clock(mut self, clock: Arc<StillClock>) -> Self {
        self.clock = clock;
        self
    }

    /// Lets this much time pass with each look at the clock. Usually none.
    pub fn step(self, by: Duration) -> Self {
        self.clock.step(by);
        self
    }

    /// A schema of one's own, beside the contract: see [`Builder::schema`](crate::Builder::schema).
    ///
    /// # Panics
    ///
    /// When it declares a name that is taken.
    pub fn schema(mut self, namespace: &'static Namespace) -> Self {
        if let Err(clash) = self.schema.add(namespace) {
            panic!("{clash}");
        }
        self
    }

    /// Another attribute of the resource.
    pub fn resource(mut self, attribute: KeyValue) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// The recorder.
    pub fn build(self) -> Recorder {
        let resource = Resource::builder_empty()
            .with_attributes(
                TelemetryResourceDetector
                    .detect()
                    .iter()
                    .map(|(key, value)| KeyValue::new(key.clone(), value.clone())),
            )
            .with_attribute(KeyValue::new(resource::SERVICE_VERSION.name(), VERSION))
            .with_attribute(KeyValue::new(resource::SERVICE_INSTANCE_ID.name(), "test"))
            .with_attributes(self.attributes)
            .with_attribute(KeyValue::new(
                resource::SERVICE_NAME.name(),
                self.service.clone(),
            ))
            .build();
        let capture = Capture::new(resource.clone());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = lines.clone();
        let sink = LineSink::new(Style::Json, move |line| {
            written
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.trim_end_matches('\n').to_owned());
        });
        let telemetry = Telemetry::new(Inner {
            service: self.service.into(),
            resource,
            enabled: true,
            propagate: if self.propagate {
                Propagate::ALL
            } else {
                Propagate::NONE
            },
            baggage_keys: crate::context::baggage::default_keys(),
            tracer: Tracer {
                sampler: self.sampler,
                names: self.names,
                ids: Ids::Custom(self.ids),
                clock: SystemClock::Custom(self.clock.clone()),
                sink: Arc::new(capture.clone()),
            },
            registry: Registry::new(),
            content: self.content,
            schema: self.schema,
            lines: Some(sink),
            exporting: Arc::new(capture.clone()),
        });
        Recorder {
            telemetry,
            capture,
            clock: self.clock,
            lines,
            installed: Arc::new(Once::new()),
        }
    }
}
