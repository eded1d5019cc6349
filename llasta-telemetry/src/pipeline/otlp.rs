//! The OTLP exporter: OpenTelemetry's own, over gRPC. Headers, time-outs, compression and retries
//! are read from `OTEL_EXPORTER_OTLP_*` by it.

use opentelemetry_otlp::{SpanExporter, WithExportConfig};

use super::Endpoint;
use crate::error::{Error, ErrorKind};

/// Builds it. Must be called inside a tokio runtime, which the channel then uses.
pub(crate) fn exporter(endpoint: &Endpoint) -> Result<SpanExporter, Error> {
    SpanExporter::builder().with_tonic().with_endpoint(endpoint.url()).build().map_err(|source| {
        Error::new(
            ErrorKind::Exporter,
            format!("the OTLP exporter for {endpoint} could not be built: {source}; check OTEL_EXPORTER_OTLP_*"),
            source,
        )
    })
}
