//! Metrics over OTLP, as the pages that Prometheus would show.

use llasta_telemetry::testing::page::Page;
use llasta_telemetry::testing::{OtlpReceiver, PageFormat};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point, summary_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::receiver::{pair, receiver, text};
use super::receiver_http::{PROTOBUF, posted};

pub(super) fn metrics(service: &str, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![pair("service.name", text(service))],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description: format!("About {name}."),
        data: Some(data),
        ..Metric::default()
    }
}

fn point(value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(value: f64, monotonic: bool, temporality: AggregationTemporality) -> Data {
    Data::Sum(Sum {
        data_points: vec![point(value, vec![])],
        aggregation_temporality: temporality as i32,
        is_monotonic: monotonic,
    })
}

pub(super) fn counter(name: &str, unit: &str, value: f64) -> Metric {
    metric(
        name,
        unit,
        sum(value, true, AggregationTemporality::Cumulative),
    )
}

fn histogram(counts: &[u64], temporality: AggregationTemporality) -> Data {
    Data::Histogram(Histogram {
        data_points: vec![HistogramDataPoint {
            attributes: vec![pair("http.route", text("/sell"))],
            count: counts.iter().sum(),
            sum: Some(2.5),
            bucket_counts: counts.to_vec(),
            explicit_bounds: vec![0.5, 1.0],
            exemplars: vec![Exemplar {
                time_unix_nano: 1_500_000_000,
                span_id: vec![2; 8],
                trace_id: vec![1; 16],
                value: Some(exemplar::Value::AsDouble(0.75)),
                ..Exemplar::default()
            }],
            ..HistogramDataPoint::default()
        }],
        aggregation_temporality: temporality as i32,
    })
}

async fn add(receiver: &OtlpReceiver, service: &str, list: Vec<Metric>) {
    let body = metrics(service, list).encode_to_vec();
    posted(receiver, "/v1/metrics", PROTOBUF, body).await;
}

fn page(receiver: &OtlpReceiver) -> Page {
    receiver.pages().remove(0).page.unwrap()
}

#[tokio::test]
async fn each_service_has_a_page_with_its_latest_values() {
    let receiver = receiver().await;
    add(&receiver, "shop", vec![counter("sold", "{item}", 2.0)]).await;
    add(&receiver, "bank", vec![counter("paid", "", 1.0)]).await;
    add(&receiver, "shop", vec![counter("sold", "{item}", 5.0)]).await;
    let pages = receiver.pages();
    let services: Vec<_> = pages.iter().map(|page| page.service.as_deref()).collect();
    assert_eq!(services, [Some("shop"), Some("bank")]);
    assert_eq!(pages[0].format, PageFormat::Otlp);
    let page = pages[0].page.as_ref().unwrap();
    let family = page.family("sold_total").unwrap();
    assert_eq!(
        (&*family.kind, &*family.unit, &*family.help),
        ("counter", "{item}", "About sold.")
    );
    assert_eq!(page.value("sold_total"), Some(5.0));
    assert_eq!(receiver.received().points, 3);
}

#[tokio::test]
async fn sums_that_may_fall_are_gauges() {
    let receiver = receiver().await;
    let cumulative = AggregationTemporality::Cumulative;
    let gauge = Gauge {
        data_points: vec![
            point(1.0, vec![pair("pool", text("a"))]),
            point(2.0, vec![pair("pool", text("b"))]),
        ],
    };
    let list = vec![
        metric("queue", "", sum(3.0, false, cumulative)),
        metric("memory.used", "By", Data::Gauge(gauge)),
    ];
    add(&receiver, "shop", list).await;
    let page = page(&receiver);
    assert_eq!(page.family("queue").unwrap().kind, "gauge");
    assert_eq!(page.family("memory_used_bytes").unwrap().kind, "gauge");
    assert_eq!(page.value(r#"memory_used_bytes{pool="b"}"#), Some(2.0));
}

#[tokio::test]
async fn a_histogram_has_buckets_that_add_up_and_exemplars_where_they_fell() {
    let receiver = receiver().await;
    let data = histogram(&[3, 2, 1], AggregationTemporality::Cumulative);
    add(&receiver, "shop", vec![metric("sell.duration", "s", data)]).await;
    let page = page(&receiver);
    let family = page.family("sell_duration_seconds").unwrap();
    assert_eq!((&*family.kind, &*family.unit), ("histogram", "s"));
    let bucket = |le: &str| {
        let series = format!(r#"sell_duration_seconds_bucket{{http_route="/sell",le="{le}"}}"#);
        page.select(&series)[0].clone()
    };
    assert_eq!(
        ["0.5", "1", "+Inf"].map(|le| bucket(le).value),
        [3.0, 5.0, 6.0]
    );
    assert_eq!(page.value("sell_duration_seconds_sum"), Some(2.5));
    assert_eq!(page.value("sell_duration_seconds_count"), Some(6.0));
    let exemplar = bucket("1").exemplar.unwrap();
    assert_eq!(exemplar.labels["trace_id"], "01".repeat(16));
    assert_eq!(exemplar.labels["span_id"], "02".repeat(8));
    assert_eq!((exemplar.value, exemplar.timestamp), (0.75, Some(1.5)));
    assert_eq!(bucket("0.5").exemplar, None);
}

#[tokio::test]
async fn what_is_sent_as_a_difference_is_added_up() {
    let receiver = receiver().await;
    for _ in 0..2 {
        let delta = AggregationTemporality::Delta;
        let list = vec![
            metric("sold", "", sum(2.0, true, delta)),
            metric("sell.duration", "s", histogram(&[3, 2, 1], delta)),
        ];
        add(&receiver, "shop", list).await;
    }
    let page = page(&receiver);
    assert_eq!(page.value("sold_total"), Some(4.0));
    assert_eq!(
        page.value(r#"sell_duration_seconds_bucket{le="1"}"#),
        Some(10.0)
    );
    assert_eq!(page.value("sell_duration_seconds_sum"), Some(5.0));
    assert_eq!(page.value("sell_duration_seconds_count"), Some(12.0));
}

#[tokio::test]
async fn summaries_have_quantiles_and_a_series_that_ends_is_gone() {
    let receiver = receiver().await;
    let summary = Summary {
        data_points: vec![SummaryDataPoint {
            count: 4,
            sum: 2.0,
            quantile_values: vec![summary_data_point::ValueAtQuantile {
                quantile: 0.9,
                value: 0.7,
            }],
            ..SummaryDataPoint::default()
        }],
    };
    let list = vec![
        metric("wait", "s", Data::Summary(summary)),
        counter("sold", "", 2.0),
    ];
    add(&receiver, "shop", list).await;
    let seen = page(&receiver);
    assert_eq!(seen.family("wait_seconds").unwrap().kind, "summary");
    assert_eq!(seen.value(r#"wait_seconds{quantile="0.9"}"#), Some(0.7));
    assert_eq!(seen.value("wait_seconds_count"), Some(4.0));
    assert_eq!(seen.value("sold_total"), Some(2.0));

    let mut ended = counter("sold", "", 0.0);
    let Some(Data::Sum(sum)) = &mut ended.data else {
        unreachable!()
    };
    sum.data_points[0].flags = DataPointFlags::NoRecordedValueMask as u32;
    add(&receiver, "shop", vec![ended]).await;
    assert_eq!(page(&receiver).value("sold_total"), None);
}

#[tokio::test]
async fn what_was_taken_out_is_gone() {
    let receiver = receiver().await;
    add(&receiver, "shop", vec![counter("sold", "", 2.0)]).await;
    assert_eq!(receiver.evidence().pages.len(), 1);
    assert_eq!(receiver.take_evidence().pages.len(), 1);
    assert!(receiver.evidence().is_empty());
}
