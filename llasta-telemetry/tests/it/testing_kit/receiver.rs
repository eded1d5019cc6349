use std::collections::HashMap;
use std::time::Duration;

use llasta_telemetry::ErrorKind;
use llasta_telemetry::testing::AttributeValue::{
    Bool, Double, Int, Other, String as Text, Strings,
};
use llasta_telemetry::testing::OtlpReceiver;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use tonic::codec::CompressionEncoding;

pub(super) const SOON: Duration = Duration::from_secs(20);

pub(super) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

pub(super) fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

pub(super) fn list(values: Vec<Value>) -> Value {
    let values = values
        .into_iter()
        .map(|value| AnyValue { value: Some(value) })
        .collect();
    Value::ArrayValue(ArrayValue { values })
}

/// Spans of these names, as any SDK would send them.
pub(super) fn request(names: &[&str]) -> ExportTraceServiceRequest {
    let span = |(index, name): (usize, &&str)| Span {
        trace_id: vec![0xab; 16],
        span_id: vec![index as u8 + 1; 8],
        parent_span_id: if index == 0 { vec![] } else { vec![1; 8] },
        name: (*name).to_owned(),
        kind: 3,
        start_time_unix_nano: 1_000_000,
        end_time_unix_nano: 3_500_000,
        status: Some(Status {
            message: "boom".to_owned(),
            code: 2,
        }),
        attributes: vec![
            pair("int", Value::IntValue(5)),
            pair("double", Value::DoubleValue(5.0)),
            pair("bool", Value::BoolValue(true)),
            pair("text", text("x")),
            pair("texts", list(vec![text("a"), text("b")])),
            pair(
                "numbers",
                list(vec![Value::IntValue(1), Value::DoubleValue(0.5)]),
            ),
            pair("bytes", Value::BytesValue(vec![0x0f, 0xa0])),
            pair(
                "map",
                Value::KvlistValue(KeyValueList {
                    values: vec![pair("k", text("v"))],
                }),
            ),
            KeyValue {
                key: "nothing".to_owned(),
                ..KeyValue::default()
            },
        ],
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![pair("service.name", text("shop"))],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "lib".to_owned(),
                    ..Default::default()
                }),
                spans: names.iter().enumerate().map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

pub(super) async fn receiver() -> OtlpReceiver {
    OtlpReceiver::bind("127.0.0.1:0")
        .await
        .expect("a port is free")
}

pub(super) async fn send(receiver: &OtlpReceiver, names: &[&str]) {
    let mut client = TraceServiceClient::connect(receiver.endpoint())
        .await
        .unwrap();
    let response = client.export(request(names)).await.unwrap();
    assert_eq!(response.into_inner().partial_success, None);
}

#[tokio::test]
async fn what_is_sent_arrives_with_every_type_of_value() {
    let receiver = receiver().await;
    assert!(receiver.is_empty());
    send(&receiver, &["parent", "child"]).await;
    let spans = receiver.spans();
    assert_eq!(spans.len(), 2);
    let child = &spans[1];
    assert_eq!(child.trace_id, "ab".repeat(16));
    assert_eq!(child.span_id, "02".repeat(8));
    assert_eq!(child.parent_span_id, Some("01".repeat(8)));
    assert_eq!(spans[0].parent_span_id, None);
    assert_eq!((&*child.name, child.kind), ("child", "CLIENT"));
    assert_eq!((&*child.service, &*child.scope), ("shop", "lib"));
    assert_eq!((child.status, &*child.status_message), ("error", "boom"));
    assert_eq!(
        (child.start_unix_nano, child.duration_ms()),
        (1_000_000, 2.5)
    );
    let expected = HashMap::from([
        ("int", Int(5)),
        ("double", Double(5.0)),
        ("bool", Bool(true)),
        ("text", Text("x".into())),
        ("texts", Strings(vec!["a".into(), "b".into()])),
        ("numbers", Other(serde_json::json!([1, 0.5]))),
        ("bytes", Other(serde_json::json!("0fa0"))),
        ("map", Other(serde_json::json!({"k": "v"}))),
        ("nothing", Other(serde_json::Value::Null)),
    ]);
    assert_eq!(child.attributes.len(), expected.len());
    for (name, value) in &child.attributes {
        assert_eq!(*value, expected[name.as_str()], "{name}");
    }
}

#[tokio::test]
async fn gzip_is_understood() {
    let receiver = receiver().await;
    let client = TraceServiceClient::connect(receiver.endpoint())
        .await
        .unwrap();
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    client.export(request(&["packed"])).await.unwrap();
    assert_eq!(receiver.spans()[0].name, "packed");
}

#[tokio::test]
async fn waiting_ends_when_enough_has_come() {
    let receiver = receiver().await;
    let sending = async {
        for name in ["first", "second", "third"] {
            send(&receiver, &[name]).await;
        }
    };
    let waiting = receiver.wait_until(|spans| spans.len() >= 2, SOON);
    let ((), spans) = tokio::join!(sending, waiting);
    assert!(spans.len() >= 2);
    let late = receiver
        .wait_until(|spans| spans.len() > 3, Duration::ZERO)
        .await;
    assert_eq!(late.len(), 3, "a deadline that has passed is no error");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_with_advice() {
    let error = receiver().await.forward_to("not an address").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`not an address`"), "{error}");
    let taken = receiver().await;
    let address = taken.endpoint().replace("http://", "");
    let error = OtlpReceiver::bind(&address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::System);
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn after_the_stop_the_port_is_free_again() {
    let mut receiver = receiver().await;
    let address = receiver.endpoint().replace("http://", "");
    send(&receiver, &["one"]).await;
    receiver.close().await;
    assert_eq!(receiver.len(), 1, "what came can still be looked at");
    assert_eq!(receiver.stop().await.spans.len(), 1);
    OtlpReceiver::bind(&address)
        .await
        .expect("the port is free");
}
