//! The subscriber that `install` makes global.

use opentelemetry_sdk::trace::SdkTracer;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use super::LineLayer;
use crate::error::{Error, ErrorKind};
use crate::telemetry::Telemetry;

/// What transports log and trace while they export.
const TRANSPORTS: [&str; 7] = [
    "tonic",
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "tower",
    "opentelemetry",
];

/// Lines as `directives` say, and spans of `tracing` into the same traces.
pub(crate) fn subscriber(
    telemetry: &Telemetry,
    tracer: Option<SdkTracer>,
    directives: &str,
) -> Result<impl Subscriber + Send + Sync + use<>, Error> {
    let filter = EnvFilter::builder().parse(directives).map_err(|source| {
        Error::new(
            ErrorKind::Config,
            format!("the log filter `{directives}` is not understood: {source}; write it like info,llasta_rag=debug"),
            source,
        )
    })?;
    let lines = LineLayer::new(telemetry.clone()).with_filter(filter);
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(FilterFn::new(is_own_span).with_max_level_hint(LevelFilter::INFO))
    });
    Ok(Registry::default().with(lines).with(spans))
}

/// Spans of the application, from level INFO up. Events stay log lines.
fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= tracing::Level::INFO
        && !TRANSPORTS.iter().any(|transport| {
            metadata
                .target()
                .strip_prefix(transport)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
}
