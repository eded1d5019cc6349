//! OTLP over HTTP, as any exporter in any language sends it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use llasta_telemetry::testing::AttributeValue::{Int, String as Text, Strings};
use llasta_telemetry::testing::OtlpReceiver;
use prost::Message;
use reqwest::header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE};
use reqwest::{Body, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::receiver::{receiver, request, send};

pub(super) const PROTOBUF: &str = "application/x-protobuf";
pub(super) const JSON: &str = "application/json";

struct Answer {
    status: StatusCode,
    content_type: String,
    headers: reqwest::header::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn to(receiver: &OtlpReceiver, path: &str) -> RequestBuilder {
    client().post(format!("{}{path}", receiver.endpoint()))
}

async fn answer(request: RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let headers = answer.headers().clone();
    Answer {
        status: answer.status(),
        content_type: headers
            .get(CONTENT_TYPE)
            .map_or("", |value| value.to_str().unwrap())
            .to_owned(),
        headers,
        body: answer.bytes().await.unwrap().to_vec(),
    }
}

async fn post(
    receiver: &OtlpReceiver,
    path: &str,
    content_type: &str,
    body: impl Into<Body>,
) -> Answer {
    answer(
        to(receiver, path)
            .header(CONTENT_TYPE, content_type)
            .body(body),
    )
    .await
}

/// Posts what is taken.
pub(super) async fn posted(
    receiver: &OtlpReceiver,
    path: &str,
    content_type: &str,
    body: impl Into<Body>,
) {
    let answer = post(receiver, path, content_type, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.content_type, content_type);
    let empty: &[u8] = if content_type == JSON { b"{}" } else { b"" };
    assert_eq!(answer.body, empty, "a response that says all was taken");
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

fn one_span() -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{
            "scope": {"name": "lib"},
            "spans": [{
                "traceId": "5B8EFFF798038103D269B633813FC60C",
                "spanId": "EEE19B7EC3C1B174",
                "parentSpanId": null,
                "name": "sell",
                "kind": 2,
                "startTimeUnixNano": "1544712660000000000",
                "endTimeUnixNano": 1544712661000000000_u64,
                "attributes": [
                    {"key": "n", "value": {"intValue": "5"}},
                    {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}}
                ],
                "status": {},
                "aFieldOfTomorrow": {"x": 1}
            }]
        }]
    }]})
}

#[tokio::test]
async fn protobuf_over_http_is_the_same_as_over_grpc() {
    let receiver = receiver().await;
    send(&receiver, &["parent", "child"]).await;
    let grpc = receiver.take_spans();
    let body = request(&["parent", "child"]).encode_to_vec();
    posted(&receiver, "/v1/traces", PROTOBUF, body.clone()).await;
    assert_eq!(receiver.take_spans(), grpc);
    let packed = to(&receiver, "/v1/traces")
        .header(CONTENT_TYPE, PROTOBUF)
        .header("content-encoding", "gzip")
        .body(gzip(&body));
    assert_eq!(answer(packed).await.status, 200);
    assert_eq!(receiver.spans(), grpc);
    assert_eq!(receiver.received().requests, 3);
    assert_eq!(receiver.received().spans, 6, "whatever was taken out");
}

#[tokio::test]
async fn http_2_without_tls_is_spoken_to_http_exporters_too() {
    let receiver = receiver().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let sent = client
        .post(format!("{}/v1/traces", receiver.endpoint()))
        .header(CONTENT_TYPE, PROTOBUF)
        .body(request(&["two"]).encode_to_vec());
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.status(), 200);
    assert_eq!(receiver.spans()[0].name, "two");
}

#[tokio::test]
async fn json_is_read_with_numbers_as_texts_and_fields_that_are_null_or_unknown() {
    let receiver = receiver().await;
    let body = one_span().to_string();
    let with_charset = "application/json; charset=utf-8";
    let answer = post(&receiver, "/v1/traces", with_charset, body.clone()).await;
    assert_eq!((answer.status.as_u16(), &*answer.text()), (200, "{}"));
    assert_eq!(answer.content_type, JSON);
    let packed = to(&receiver, "/v1/traces")
        .header(CONTENT_TYPE, JSON)
        .header("content-encoding", "gzip")
        .body(gzip(body.as_bytes()));
    assert_eq!(self::answer(packed).await.status, 200);
    let spans = receiver.spans();
    assert_eq!(spans[0], spans[1]);
    let span = &spans[0];
    assert_eq!(span.trace_id, "5b8efff798038103d269b633813fc60c");
    assert_eq!(span.parent_span_id, None);
    assert_eq!(
        (&*span.name, span.kind, span.status),
        ("sell", "SERVER", "unset")
    );
    assert_eq!((&*span.service, &*span.scope), ("shop", "lib"));
    assert_eq!(span.duration_ms(), 1000.0);
    assert_eq!(span.attributes["n"], Int(5));
    assert_eq!(span.attributes["list"], Strings(vec!["a".to_owned()]));
}

#[tokio::test]
async fn log_records_are_kept_with_their_severity_ids_and_attributes() {
    let receiver = receiver().await;
    let body = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeLogs": [{"logRecords": [
            {
                "timeUnixNano": "1", "severityNumber": 9, "severityText": "info",
                "body": {"stringValue": "sold"},
                "attributes": [{"key": "n", "value": {"intValue": "5"}}],
                "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"
            },
            {
                "severityNumber": 17, "traceId": "", "spanId": "0000000000000000",
                "body": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": true}}]}}
            },
            {}
        ]}]
    }]});
    posted(&receiver, "/v1/logs", JSON, body.to_string()).await;
    let logs = receiver.logs();
    assert_eq!(receiver.received().logs, 3);
    assert_eq!(
        (&*logs[0].service, &*logs[0].severity, &*logs[0].body),
        ("shop", "info", "sold")
    );
    assert_eq!(
        logs[0].trace_id.as_deref(),
        Some("5b8efff798038103d269b633813fc60c")
    );
    assert_eq!(logs[0].span_id.as_deref(), Some("eee19b7ec3c1b174"));
    assert_eq!(logs[0].attributes["n"], Int(5));
    assert_eq!(logs[0].resource["service.name"], Text("shop".to_owned()));
    assert_eq!(
        (&*logs[1].severity, &*logs[1].body),
        ("ERROR", r#"{"k":true}"#)
    );
    assert_eq!((&logs[1].trace_id, &logs[1].span_id), (&None, &None));
    assert_eq!((&*logs[2].severity, &*logs[2].body), ("", ""));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_in_its_own_format() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct RpcStatus {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
    }
    let receiver = receiver().await;
    let answer = post(&receiver, "/v1/traces", JSON, r#"{"resourceSpans": [{"#).await;
    assert_eq!((answer.status.as_u16(), &*answer.content_type), (400, JSON));
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    let message = said["message"].as_str().unwrap();
    assert!(
        message.contains("no ExportTraceServiceRequest in JSON"),
        "{message}"
    );

    let wrong = r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}"#;
    let answer = post(&receiver, "/v1/traces", JSON, wrong).await;
    assert_eq!(answer.status, 400, "{}", answer.text());

    let answer = post(&receiver, "/v1/metrics", PROTOBUF, b"\xff\xff\xff".to_vec()).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.content_type),
        (400, PROTOBUF)
    );
    let said = RpcStatus::decode(&*answer.body).unwrap();
    assert_eq!(said.code, 3);
    let expected = "no ExportMetricsServiceRequest in protobuf";
    assert!(said.message.contains(expected), "{}", said.message);

    let packed = to(&receiver, "/v1/logs")
        .header(CONTENT_TYPE, JSON)
        .header("content-encoding", "gzip")
        .body("plain");
    let answer = self::answer(packed).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("gzip"), "{}", answer.text());

    assert!(receiver.evidence().is_empty());
    assert_eq!(
        (receiver.received().requests, receiver.received().refused),
        (0, 4)
    );
    assert_eq!(receiver.refusals().len(), 4);
}

#[tokio::test]
async fn what_is_not_otlp_is_refused_with_what_to_send_instead() {
    let receiver = receiver().await;
    let answer = post(&receiver, "/v1/traces", "text/plain", "hello").await;
    assert_eq!(answer.status, 415);
    assert!(
        answer.text().contains("application/x-protobuf"),
        "{}",
        answer.text()
    );

    let packed = to(&receiver, "/v1/traces")
        .header(CONTENT_TYPE, JSON)
        .header("content-encoding", "zstd")
        .body("{}");
    let answer = self::answer(packed).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers[ACCEPT_ENCODING]),
        (415, &"gzip".parse().unwrap())
    );

    let answer = post(&receiver, "/", PROTOBUF, "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("/v1/traces"), "{}", answer.text());

    let get = client().get(format!("{}/v1/traces", receiver.endpoint()));
    let answer = self::answer(get).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers[ALLOW]),
        (405, &"POST".parse().unwrap())
    );
    // The same reason again is counted, and said once.
    post(&receiver, "/", PROTOBUF, "").await;
    assert_eq!(
        (receiver.received().refused, receiver.refusals().len()),
        (5, 4)
    );
}

#[tokio::test]
async fn a_body_that_unpacks_to_more_than_the_limit_is_refused() {
    let receiver = receiver().await;
    // 65 MiB of zeros are 64 KiB when packed.
    let packed = to(&receiver, "/v1/traces")
        .header(CONTENT_TYPE, JSON)
        .header("content-encoding", "gzip")
        .body(gzip(&vec![0; 65 * 1024 * 1024]));
    let answer = self::answer(packed).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text().contains("64 MiB"), "{}", answer.text());
}

#[tokio::test]
async fn a_grpc_service_that_is_not_there_is_unimplemented() {
    let receiver = receiver().await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let path = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
    let sent = client
        .post(format!("{}{path}", receiver.endpoint()))
        .header(CONTENT_TYPE, "application/grpc");
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["grpc-status"], "12");
}
