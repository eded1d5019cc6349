//! The roof: puts the floors together.

mod environment;

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider, SpanExporter,
};

use self::environment::Environment;
use crate::content::ContentPolicy;
use crate::context::baggage;
use crate::error::{Error, ErrorKind};
use crate::line::{LineSink, Style};
use crate::metrics::Registry;
use crate::pipeline::{self, Endpoint, Processor, Queue, QueueLimits};
use crate::schema::labels::ExportResult;
use crate::schema::sdk::{BuildMetrics, SdkMetrics};
use crate::schema::{Namespace, Schema, resource};
use crate::span::{Ids, Names, Sampler, SystemClock, Tracer};
use crate::telemetry::{Inner, Report, SHUTDOWN_DEADLINE, Telemetry, instrumentation_scope};

impl Telemetry {
    /// Begins the telemetry of a service. Every `OTEL_*` variable that applies is read when it is
    /// built; what is set here in code goes before it, except for the service's name, which is
    /// only the default for `OTEL_SERVICE_NAME`.
    pub fn builder(service: impl Into<String>) -> Builder {
        Builder {
            service: service.into(),
            ..Builder::default()
        }
    }
}

/// What a [`Telemetry`] is made of. Everything has a default.
#[derive(Default)]
pub struct Builder {
    service: String,
    version: Option<Cow<'static, str>>,
    attributes: Vec<KeyValue>,
    endpoint: Option<String>,
    sampler: Option<Sampler>,
    names: Option<Names>,
    content: Option<ContentPolicy>,
    baggage: Option<Vec<Cow<'static, str>>>,
    limits: Option<QueueLimits>,
    style: Option<Style>,
    lines: Option<LineSink>,
    filter: Option<String>,
    schemas: Vec<&'static Namespace>,
    start: Option<Start>,
}

/// Starts a queue whose thread feeds an exporter.
type Start = Box<dyn FnOnce(QueueLimits, Resource) -> Result<Arc<Queue>, Error> + Send>;

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The version of the service, usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: impl Into<Cow<'static, str>>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// One more attribute of the resource.
    #[must_use]
    pub fn resource_attribute(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push(KeyValue::new(key, value.into()));
        self
    }

    /// The OTLP collector; goes before `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn otlp_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// A declaration of your own. Its keys are then on `tracing` spans and in log lines what the
    /// contract's are: of the type that is declared, and content as the policy says. Typed spans
    /// need nothing. A name that is declared already is an error of [`build`](Self::build).
    #[must_use]
    pub fn schema(mut self, namespace: &'static Namespace) -> Self {
        self.schemas.push(namespace);
        self
    }

    /// An exporter of your own instead of the OTLP collector.
    #[must_use]
    pub fn span_exporter(mut self, exporter: impl SpanExporter + 'static) -> Self {
        self.start = Some(Box::new(move |limits, resource| {
            let mut exporter = exporter;
            Queue::start(limits, move || {
                exporter.set_resource(&resource);
                Ok(exporter)
            })
        }));
        self
    }

    /// Which traces are kept; goes before `OTEL_TRACES_SAMPLER`.
    #[must_use]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// Under which names attributes are emitted; goes before `LLASTA_ATTRIBUTE_NAMES`.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = Some(names);
        self
    }

    /// What of people's words may leave the service; goes before `LLASTA_CONTENT` and
    /// `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`.
    #[must_use]
    pub fn content(mut self, content: ContentPolicy) -> Self {
        self.content = Some(content);
        self
    }

    /// Which baggage entries become attributes of spans and fields of log lines, instead of
    /// `session.id` and `gen_ai.conversation.id`; goes before `LLASTA_BAGGAGE_ATTRIBUTES`. Entries
    /// that are not listed are passed on and not recorded.
    #[must_use]
    pub fn baggage_attributes(
        mut self,
        names: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
    ) -> Self {
        self.baggage = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// How many spans wait for their export, and how long; goes before `OTEL_BSP_*`.
    #[must_use]
    pub fn queue(mut self, limits: QueueLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// How log lines look; goes before `LLASTA_LOG_FORMAT`. By default they are for people on a
    /// terminal, and JSON elsewhere.
    #[must_use]
    pub fn log_style(mut self, style: Style) -> Self {
        self.style = Some(style);
        self
    }

    /// Where log lines go, instead of standard output.
    #[must_use]
    pub fn log_lines(mut self, lines: LineSink) -> Self {
        self.lines = Some(lines);
        self
    }

    /// Which events become lines, such as `info,llasta_rag=debug`; goes before `LLASTA_LOG` and
    /// `RUST_LOG`.
    #[must_use]
    pub fn log_filter(mut self, directives: impl Into<String>) -> Self {
        self.filter = Some(directives.into());
        self
    }

    /// Builds it and touches nothing global: a second one in the same process does not disturb the
    /// first.
    ///
    /// # Errors
    ///
    /// A setting whose value is not allowed, or an exporter that could not be built. The message
    /// says what to do.
    pub fn build(self) -> Result<Guard, Error> {
        Ok(self.assemble(&Environment::read()?)?.0)
    }

    /// Builds it, makes it the one that records where none is current, and installs the global
    /// `tracing` subscriber that writes its lines.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and when another global subscriber is installed: then call
    /// `build` and add [`LineLayer`](crate::log::LineLayer) to that subscriber.
    #[cfg(feature = "log")]
    pub fn install(self) -> Result<Guard, Error> {
        let environment = Environment::read()?;
        let (variable, filter) = match (self.filter.clone(), environment.filter.clone()) {
            (Some(filter), _) => (None, filter),
            (None, Some((variable, filter))) => (Some(variable), filter),
            (None, None) => (None, "info".to_owned()),
        };
        let (guard, tracer) = self.assemble(&environment)?;
        let subscriber =
            crate::log::subscriber(&guard.telemetry, tracer, &filter).map_err(|error| {
                match variable {
                    Some(variable) => error.about(variable),
                    None => error,
                }
            })?;
        tracing::subscriber::set_global_default(subscriber).map_err(|source| {
            Error::new(
                ErrorKind::Subscriber,
                "a global tracing subscriber is installed already: call build() and add llasta_telemetry::log::LineLayer to it",
                source,
            )
        })?;
        guard.telemetry.make_default();
        match &guard.endpoint {
            Some(endpoint) => {
                // Operators look for these words.
                tracing::info!("OTLP endpoint: {endpoint}");
                if endpoint.assumed_http {
                    tracing::warn!(
                        "the OTLP endpoint has no scheme and is taken as {endpoint}: write http:// or https:// in front of it"
                    );
                }
            }
            None => tracing::info!("OTLP endpoint: none, spans are not exported"),
        }
        Ok(guard)
    }

    fn assemble(mut self, environment: &Environment) -> Result<(Guard, Option<SdkTracer>), Error> {
        let enabled = !environment.disabled;
        let mut schema = Schema::contract();
        for namespace in &self.schemas {
            schema
                .add(namespace)
                .map_err(|clash| Error::config(clash.to_string()))?;
        }
        let baggage_keys = match self.baggage.take() {
            Some(names) => baggage::allow_list(names)?,
            None => environment
                .baggage_keys
                .clone()
                .unwrap_or_else(baggage::default_keys),
        };
        let resource = self.resource(environment);
        let service = resource
            .get(&opentelemetry::Key::from_static_str(
                resource::SERVICE_NAME.name(),
            ))
            .map_or_else(|| self.service.clone(), |name| name.to_string());
        let sampler = self.sampler.or(environment.sampler).unwrap_or_default();
        let exports = enabled && (environment.exports || self.endpoint.is_some());
        let endpoint = match (&self.endpoint, &environment.endpoint) {
            _ if !exports || self.start.is_some() => None,
            (Some(text), _) => Some(Endpoint::parse(text)?),
            (None, Some((variable, text))) => {
                Some(Endpoint::parse(text).map_err(|error| error.about(variable))?)
            }
            (None, None) => Some(Endpoint::default_local()),
        };
        let limits = self.limits.unwrap_or(environment.limits);
        let queue = match (self.start.take(), &endpoint) {
            (Some(start), _) if enabled => Some(start(limits, resource.clone())?),
            (_, Some(endpoint)) => Some(start(limits, endpoint.clone(), resource.clone())?),
            _ => None,
        };
        let style = self.style.or(environment.style).unwrap_or_else(|| {
            if std::io::stdout().is_terminal() {
                Style::Pretty
            } else {
                Style::Json
            }
        });
        let registry = Registry::new();
        let version = self.version.as_deref().unwrap_or("unknown");
        BuildMetrics::register(&registry)
            .build_info(&service, version)
            .set(1);
        self_metrics(&registry, queue.as_ref());
        crate::metrics::process::register(&registry);
        let through_sdk = queue.clone();
        let telemetry = Telemetry::new(Inner {
            service: Arc::from(service),
            resource,
            enabled,
            propagate: environment.propagate,
            baggage_keys,
            tracer: Tracer {
                sampler,
                names: self.names.or(environment.names).unwrap_or_default(),
                ids: Ids::Random(RandomIdGenerator::default()),
                clock: SystemClock::System,
                sink: match &queue {
                    Some(queue) => queue.clone(),
                    None => crate::telemetry::nowhere(),
                },
            },
            registry,
            content: self.content.unwrap_or_else(|| environment.content.clone()),
            schema,
            lines: Some(self.lines.unwrap_or_else(|| LineSink::stdout(style))),
            exporting: match queue {
                Some(queue) => queue,
                None => crate::telemetry::nowhere(),
            },
        });
        let tracer = through_sdk.map(|queue| {
            SdkTracerProvider::builder()
                .with_sampler(telemetry.tracer().sampler.for_sdk())
                .with_id_generator(RandomIdGenerator::default())
                .with_resource(telemetry.resource().clone())
                .with_span_processor(Processor::new(queue, telemetry.clone()))
                .build()
                .tracer_with_scope(instrumentation_scope())
        });
        Ok((
            Guard {
                telemetry,
                endpoint,
                deadline: SHUTDOWN_DEADLINE,
                done: false,
            },
            tracer,
        ))
    }

    /// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before what the code says.
    fn resource(&self, environment: &Environment) -> Resource {
        let mut own = vec![
            KeyValue::new(resource::SERVICE_NAME.name(), self.service.clone()),
            KeyValue::new(resource::SERVICE_INSTANCE_ID.name(), instance_id()),
        ];
        if let Some(version) = &self.version {
            own.push(KeyValue::new(
                resource::SERVICE_VERSION.name(),
                version.clone(),
            ));
        }
        own.extend(self.attributes.iter().cloned());
        let from_environment = environment.attributes.iter();
        own.extend(from_environment.map(|(key, value)| KeyValue::new(key.clone(), value.clone())));
        if let Some(name) = &environment.service {
            own.push(KeyValue::new(resource::SERVICE_NAME.name(), name.clone()));
        }
        let from_sdk = opentelemetry_sdk::resource::TelemetryResourceDetector;
        Resource::builder_empty()
            .with_detector(Box::new(from_sdk))
            .with_attributes(own)
            .build()
    }
}

fn start(limits: QueueLimits, endpoint: Endpoint, resource: Resource) -> Result<Arc<Queue>, Error> {
    Queue::start(limits, move || {
        let mut exporter = pipeline::exporter(&endpoint)?;
        exporter.set_resource(&resource);
        Ok(exporter)
    })
}

/// What the queue knows about itself, read when the page is.
fn self_metrics(registry: &Registry, queue: Option<&Arc<Queue>>) {
    let metrics = SdkMetrics::register(registry);
    let Some(queue) = queue.cloned() else { return };
    metrics
        .export_queue_capacity()
        .set(i64::try_from(queue.capacity()).unwrap_or(i64::MAX));
    registry.before_page(move || {
        let (report, waiting) = queue.counts();
        metrics.spans(ExportResult::Exported).store(report.exported);
        metrics.spans(ExportResult::Dropped).store(report.dropped);
        metrics.spans(ExportResult::Failed).store(report.failed);
        metrics
            .export_queue_length()
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    });
}

/// A random UUID, version 4.
fn instance_id() -> String {
    let mut bytes = RandomIdGenerator::default().new_trace_id().to_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A [`Telemetry`] that is shut down when this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the export: keep it until the service ends"]
pub struct Guard {
    telemetry: Telemetry,
    endpoint: Option<Endpoint>,
    deadline: Duration,
    done: bool,
}

impl Guard {
    /// The collector that spans go to, when they are exported.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_ref().map(Endpoint::url)
    }

    /// Sends the spans that wait and says what became of all of them. Safe in any runtime.
    pub async fn shutdown(mut self) -> Report {
        self.done = true;
        self.telemetry.shutdown().await
    }
}

impl Deref for Guard {
    type Target = Telemetry;

    fn deref(&self) -> &Telemetry {
        &self.telemetry
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.done {
            self.telemetry.shutdown_blocking(self.deadline);
        }
    }
}
