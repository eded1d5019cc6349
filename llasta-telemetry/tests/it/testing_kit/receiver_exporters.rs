//! OpenTelemetry's own exporters, against the receiver.

use llasta_telemetry::testing::OtlpReceiver;
use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::receiver::receiver;

fn resource() -> Resource {
    Resource::builder_empty().with_service_name("shop").build()
}

/// Ends one span of a service whose exporter sends it at once.
async fn over_http(receiver: &OtlpReceiver, protocol: Protocol, compression: Option<Compression>) {
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_http_client(reqwest::Client::builder().no_proxy().build().unwrap())
        .with_endpoint(format!("{}/v1/traces", receiver.endpoint()))
        .with_protocol(protocol);
    if let Some(compression) = compression {
        builder = builder.with_compression(compression);
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_simple_exporter(builder.build().unwrap())
        .build();
    // It blocks until the answer has come.
    let ending = tokio::task::spawn_blocking(move || {
        let mut span = provider.tracer("lib").start("sell");
        span.set_attribute(KeyValue::new("n", 5));
        span.end();
    });
    ending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_of_the_http_exporter_arrive_as_protobuf_and_as_json() {
    let receiver = receiver().await;
    over_http(&receiver, Protocol::HttpBinary, None).await;
    over_http(&receiver, Protocol::HttpBinary, Some(Compression::Gzip)).await;
    over_http(&receiver, Protocol::HttpJson, None).await;
    let spans = receiver.spans();
    assert_eq!(spans.len(), 3, "{:?}", receiver.refusals());
    for span in spans {
        assert_eq!((&*span.name, &*span.service), ("sell", "shop"));
        assert_eq!(span.int("n"), Some(5));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_of_the_grpc_exporter_arrive_with_the_flush() {
    let receiver = receiver().await;
    let exporter = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(receiver.endpoint())
        .build()
        .unwrap();
    let provider = SdkMeterProvider::builder()
        .with_resource(resource())
        .with_periodic_exporter(exporter)
        .build();
    let meter = provider.meter("lib");
    let status = [KeyValue::new("status", "success")];
    meter.u64_counter("requests").build().add(3, &status);
    let duration = meter.f64_histogram("duration").with_unit("s");
    let duration = duration.with_boundaries(vec![0.1, 1.0]).build();
    duration.record(0.5, &status);
    let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
    flushed.await.unwrap().unwrap();

    let page = receiver.pages().remove(0);
    assert_eq!(page.service.as_deref(), Some("shop"));
    let page = page.page.unwrap();
    assert_eq!(page.value(r#"requests_total{status="success"}"#), Some(3.0));
    let bucket = |le: &str| page.value(&format!(r#"duration_seconds_bucket{{le="{le}"}}"#));
    assert_eq!(["0.1", "1", "+Inf"].map(bucket), [0.0, 1.0, 1.0].map(Some));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_records_of_the_grpc_exporter_arrive() {
    let receiver = receiver().await;
    let exporter = LogExporter::builder()
        .with_tonic()
        .with_endpoint(receiver.endpoint())
        .build()
        .unwrap();
    let provider = SdkLoggerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(exporter)
        .build();
    let logger = provider.logger("lib");
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Warn);
    record.set_body(AnyValue::from("low stock"));
    record.add_attribute("n", 5);
    logger.emit(record);
    let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
    flushed.await.unwrap().unwrap();

    let logs = receiver.logs();
    let log = &logs[0];
    assert_eq!(
        (&*log.service, &*log.severity, &*log.body),
        ("shop", "WARN", "low stock")
    );
}
