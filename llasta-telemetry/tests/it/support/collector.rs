//! An OTLP collector that keeps what it receives.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span as Proto;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

/// A span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) resource: Map<String, Value>,
    pub(crate) proto: Proto,
}

impl Span {
    pub(crate) fn name(&self) -> &str {
        &self.proto.name
    }

    pub(crate) fn trace_id(&self) -> String {
        hex(&self.proto.trace_id)
    }

    pub(crate) fn span_id(&self) -> String {
        hex(&self.proto.span_id)
    }

    /// Empty for a root.
    pub(crate) fn parent(&self) -> String {
        hex(&self.proto.parent_span_id)
    }

    pub(crate) fn attributes(&self) -> Map<String, Value> {
        attributes(&self.proto.attributes)
    }

    /// An attribute, or null.
    pub(crate) fn get(&self, name: &str) -> Value {
        self.attributes().remove(name).unwrap_or(Value::Null)
    }

    /// 0 unset, 1 ok, 2 error.
    pub(crate) fn status(&self) -> i32 {
        self.proto.status.as_ref().map_or(0, |status| status.code)
    }

    pub(crate) fn service(&self) -> &str {
        self.resource["service.name"].as_str().unwrap()
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.proto.end_time_unix_nano - self.proto.start_time_unix_nano) as f64 / 1e9
    }
}

/// Spans by name.
pub(crate) trait Spans {
    /// The only span of this name.
    fn named(&self, name: &str) -> &Span;
}

impl Spans for [Span] {
    fn named(&self, name: &str) -> &Span {
        let mut all = self.iter().filter(|span| span.name() == name);
        let first = all.next();
        assert!(all.next().is_none(), "more than one `{name}`");
        first.unwrap_or_else(|| {
            let names: Vec<_> = self.iter().map(Span::name).collect();
            panic!("no `{name}` among {names:?}")
        })
    }
}

/// Runs on a thread of its own, so it answers whatever the test's runtime does.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    spans: UnboundedReceiver<Span>,
    refuses: Arc<AtomicBool>,
    _stop: oneshot::Sender<()>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let (send, spans) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = mpsc::channel();
        let refuses = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            send,
            refuses: refuses.clone(),
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let incoming = futures_util::stream::unfold(listener, |listener| async {
                    Some((listener.accept().await.map(|(socket, _)| socket), listener))
                });
                let server = tonic::transport::Server::builder()
                    .add_service(TraceServiceServer::new(keeper))
                    .serve_with_incoming(incoming);
                tokio::select! {
                    _ = server => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().unwrap(),
            spans,
            refuses,
            _stop: stop,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing is taken, or everything again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, SeqCst);
    }

    /// The next span, waited for.
    pub(crate) async fn next(&mut self) -> Span {
        super::soon("a span", self.spans.recv()).await.unwrap()
    }

    /// The next spans, waited for.
    pub(crate) async fn take(&mut self, n: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        while spans.len() < n {
            spans.push(self.next().await);
        }
        spans
    }

    /// What has arrived and was not taken: everything, after a flush.
    pub(crate) fn arrived(&mut self) -> Vec<Span> {
        std::iter::from_fn(|| self.spans.try_recv().ok()).collect()
    }
}

struct Keeper {
    send: UnboundedSender<Span>,
    refuses: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.refuses.load(SeqCst) {
            return Err(Status::invalid_argument("not today"));
        }
        for group in request.into_inner().resource_spans {
            let resource = attributes(&group.resource.unwrap_or_default().attributes);
            for proto in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let resource = resource.clone();
                let _ = self.send.send(Span { resource, proto });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(all: &[KeyValue]) -> Map<String, Value> {
    all.iter()
        .map(|pair| {
            let value = pair.value.clone().and_then(|value| value.value);
            (pair.key.clone(), value.map_or(Value::Null, plain))
        })
        .collect()
}

/// An int stays an int and a double a double, since backends tell them apart.
fn plain(value: any_value::Value) -> Value {
    match value {
        any_value::Value::StringValue(text) => json!(text),
        any_value::Value::BoolValue(yes) => json!(yes),
        any_value::Value::IntValue(number) => json!(number),
        any_value::Value::DoubleValue(number) => json!(number),
        any_value::Value::ArrayValue(array) => array
            .values
            .into_iter()
            .map(|value| value.value.map_or(Value::Null, plain))
            .collect(),
        other => panic!("no attribute of ours holds {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A collector that takes connections and never answers. It does so while the listener lives.
pub(crate) fn black_hole() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, format!("http://{address}"))
}

/// An address at which nobody listens.
pub(crate) fn unreachable() -> String {
    let (listener, endpoint) = black_hole();
    drop(listener);
    endpoint
}
