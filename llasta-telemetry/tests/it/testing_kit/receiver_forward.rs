//! What came, passed on to another collector.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::sync::mpsc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response};

use super::receiver::{receiver, request, send};
use super::receiver_http::{JSON, PROTOBUF, posted};
use super::receiver_metrics::{counter, metrics};

#[tokio::test]
async fn another_collector_gets_the_same_spans_before_the_sender_gets_its_answer() {
    let last = receiver().await;
    let first = receiver().await.forward_to(&last.endpoint()).unwrap();
    let client = TraceServiceClient::connect(first.endpoint()).await.unwrap();
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    client.export(request(&["parent", "child"])).await.unwrap();
    assert_eq!(last.spans(), first.spans());
    assert_eq!(last.len(), 2);
    let forwarded = first.forwarded();
    assert_eq!((forwarded.spans.passed, forwarded.spans.failed), (2, 0));
    assert_eq!(forwarded.last_error, None);
}

/// A collector that shows what it got, and refuses one span of each request.
struct Refusing(mpsc::UnboundedSender<(MetadataMap, ExportTraceServiceRequest)>);

#[tonic::async_trait]
impl TraceService for Refusing {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, tonic::Status> {
        let (metadata, _, message) = request.into_parts();
        self.0.send((metadata, message)).unwrap();
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: Some(ExportTracePartialSuccess {
                rejected_spans: 1,
                error_message: "over the quota".to_owned(),
            }),
        }))
    }
}

fn refusing(seen: mpsc::UnboundedSender<(MetadataMap, ExportTraceServiceRequest)>) -> String {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", incoming.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Refusing(seen)))
        .serve_with_incoming(incoming);
    tokio::spawn(server);
    endpoint
}

#[tokio::test]
async fn the_request_is_passed_on_unchanged_with_the_senders_own_headers() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let first = receiver().await.forward_to(&refusing(seen)).unwrap();
    let client = TraceServiceClient::connect(first.endpoint()).await.unwrap();
    let mut client = client.send_compressed(CompressionEncoding::Gzip);
    let mut sent = Request::new(request(&["parent", "child"]));
    sent.metadata_mut()
        .insert("x-api-key", "k".parse().unwrap());
    client.export(sent).await.unwrap();

    let (metadata, message) = requests.recv().await.unwrap();
    assert_eq!(message, request(&["parent", "child"]));
    assert_eq!(metadata.get("x-api-key").unwrap(), "k");
    let forwarded = first.forwarded();
    assert_eq!((forwarded.spans.passed, forwarded.spans.failed), (1, 1));
    assert_eq!(forwarded.last_error.as_deref(), Some("over the quota"));
}

#[tokio::test]
async fn what_the_other_collector_does_not_take_is_counted_and_explained() {
    let gone = receiver().await;
    let endpoint = gone.endpoint();
    gone.stop().await;
    let first = receiver().await.forward_to(&endpoint).unwrap();
    send(&first, &["parent", "child"]).await;
    assert_eq!(first.len(), 2, "the sender is not concerned");
    let forwarded = first.forwarded();
    assert_eq!((forwarded.spans.passed, forwarded.spans.failed), (0, 2));
    assert!(forwarded.last_error.is_some());
}

#[tokio::test]
async fn an_address_without_a_scheme_is_http() {
    let last = receiver().await;
    let address = last.endpoint().replace("http://", "");
    let first = receiver().await.forward_to(&address).unwrap();
    send(&first, &["one"]).await;
    assert_eq!(first.forwarded().spans.passed, 1, "{:?}", first.forwarded());
}

#[tokio::test]
async fn all_signals_of_both_protocols_are_passed_on() {
    let last = receiver().await;
    let first = receiver().await.forward_to(&last.endpoint()).unwrap();
    send(&first, &["over-grpc"]).await;
    let spans = prost::Message::encode_to_vec(&request(&["over-http"]));
    posted(&first, "/v1/traces", PROTOBUF, spans).await;
    let log = r#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "hello"}}]}]}]}"#;
    posted(&first, "/v1/logs", JSON, log).await;
    let points = prost::Message::encode_to_vec(&metrics("shop", vec![counter("sold", "", 2.0)]));
    posted(&first, "/v1/metrics", PROTOBUF, points).await;

    let names: Vec<_> = last.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["over-grpc", "over-http"]);
    assert_eq!(last.logs(), first.logs());
    assert_eq!(last.logs()[0].body, "hello");
    let page = last.pages().remove(0).page.unwrap();
    assert_eq!(page.value("sold_total"), Some(2.0));
    let forwarded = first.forwarded();
    assert_eq!(forwarded.failed(), 0, "{forwarded:?}");
    let passed = [forwarded.spans, forwarded.logs, forwarded.points].map(|tally| tally.passed);
    assert_eq!(passed, [2, 1, 1]);
}

#[tokio::test]
async fn headers_of_a_request_over_http_go_along_and_those_of_its_body_do_not() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let first = receiver().await.forward_to(&refusing(seen)).unwrap();
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/v1/traces", first.endpoint()))
        .header("x-api-key", "k")
        .header("content-type", PROTOBUF)
        .body(prost::Message::encode_to_vec(&request(&["one", "two"])))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200, "the sender is not concerned");
    let (metadata, message) = requests.recv().await.unwrap();
    assert_eq!(message, request(&["one", "two"]));
    assert_eq!(metadata.get("x-api-key").unwrap(), "k");
    assert_eq!(metadata.get("content-type").unwrap(), "application/grpc");
    assert_eq!(first.forwarded().spans.failed, 1);
}
