//! A collector on a loopback port, for services that run as processes of their own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::CapturedSpan;
use super::store::Store;
use crate::error::{Error, ErrorKind};

/// Largest request that is taken; the default of 4 MiB is less than a full batch of spans with
/// whole prompts on them.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How long the collector behind this one may take, less than an exporter waits for us.
const FORWARD_DEADLINE: Duration = Duration::from_secs(5);

/// A collector that takes OTLP over gRPC, gzip or not, and keeps what it gets.
///
/// It runs on the tokio runtime it was made on, until it is dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Dropping it stops the server: no new connections, the open calls are answered.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    store: Store,
    forward: Mutex<Option<TraceServiceClient<Channel>>>,
    forwarded: Mutex<Forwarded>,
}

/// What became of the spans that were passed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Forwarded {
    /// Spans the next collector took.
    pub passed: u64,
    /// Spans it refused, or that could not be sent in time.
    pub failed: u64,
    /// Why, the last time.
    pub last_error: Option<String>,
}

impl OtlpReceiver {
    /// Listens at an address such as `127.0.0.1:0`; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// An address that is none, or that is taken.
    pub async fn bind(address: &str) -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            let text = format!("cannot listen at `{address}` for OTLP: choose another address");
            Error::new(ErrorKind::System, text, error)
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let service = TraceServiceServer::from_arc(shared.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MOST_BYTES);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), async {
                // An error means that the sender was dropped: the same.
                let _ = stopped.await;
            });
        let server = tokio::spawn(async {
            // Fails only when the listener does; the exporters' errors say so then.
            let _ = serving.await;
        });
        Ok(Self {
            shared,
            address,
            stop,
            server,
        })
    }

    /// Also passes each request on, unchanged, to another collector. A failure there is counted
    /// in [`forwarded`](Self::forwarded) and does not concern the sender.
    ///
    /// # Errors
    ///
    /// An endpoint that is no address. Without a scheme it is `http`.
    pub fn forward_to(self, endpoint: &str) -> Result<Self, Error> {
        let uri = if endpoint.contains("://") {
            endpoint.to_owned()
        } else {
            format!("http://{endpoint}")
        };
        let endpoint = Endpoint::from_shared(uri).map_err(|error| {
            let text =
                format!("`{endpoint}` is no collector: give an address such as http://host:4317");
            Error::new(ErrorKind::Config, text, error)
        })?;
        let channel = endpoint.timeout(FORWARD_DEADLINE).connect_lazy();
        let client = TraceServiceClient::new(channel).max_encoding_message_size(MOST_BYTES);
        *lock(&self.shared.forward) = Some(client);
        Ok(self)
    }

    /// Where exporters send to: `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far, in the order they came.
    pub fn spans(&self) -> Vec<CapturedSpan> {
        self.shared.store.spans()
    }

    /// The same, and forgets them.
    pub fn take_spans(&self) -> Vec<CapturedSpan> {
        self.shared.store.take()
    }

    /// How many spans there are so far.
    pub fn len(&self) -> usize {
        self.shared.store.len()
    }

    /// Whether none has come yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The spans, as soon as `enough` says so or when the deadline has passed: look again at what
    /// comes back.
    pub async fn wait_until(
        &self,
        enough: impl FnMut(&[CapturedSpan]) -> bool,
        deadline: Duration,
    ) -> Vec<CapturedSpan> {
        self.shared.store.wait_until(enough, deadline).await
    }

    /// What became of the spans that were passed on.
    pub fn forwarded(&self) -> Forwarded {
        lock(&self.shared.forwarded).clone()
    }

    /// Stops, waits until the open calls are answered and the port is free, and hands over what
    /// came.
    pub async fn stop(self) -> Vec<CapturedSpan> {
        drop(self.stop);
        // A client may keep its connection open: the deadline is for that.
        let _ = tokio::time::timeout(FORWARD_DEADLINE, self.server).await;
        self.shared.store.take()
    }
}

#[tonic::async_trait]
impl TraceService for Shared {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.get_ref().resource_spans.iter();
        self.store.add(spans.flat_map(CapturedSpan::from_otlp));
        let client = lock(&self.forward).clone();
        if let Some(client) = client {
            self.pass_on(client, request).await;
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Shared {
    async fn pass_on(
        &self,
        mut client: TraceServiceClient<Channel>,
        request: Request<ExportTraceServiceRequest>,
    ) {
        let groups = request.get_ref().resource_spans.iter();
        let spans: usize = groups
            .flat_map(|group| &group.scope_spans)
            .map(|group| group.spans.len())
            .sum();
        let spans = spans as u64;
        let (metadata, _, message) = request.into_parts();
        let mut request = Request::new(message);
        *request.metadata_mut() = end_to_end(&metadata);
        let (failed, error) = match client.export(request).await {
            Err(status) => (spans, Some(status.to_string())),
            Ok(response) => match response.into_inner().partial_success {
                None => (0, None),
                Some(partial) => (
                    u64::try_from(partial.rejected_spans)
                        .unwrap_or(0)
                        .min(spans),
                    Some(partial.error_message).filter(|message| !message.is_empty()),
                ),
            },
        };
        let mut forwarded = lock(&self.forwarded);
        forwarded.passed += spans - failed;
        forwarded.failed += failed;
        if error.is_some() {
            forwarded.last_error = error;
        }
    }
}

/// The headers that are the sender's own, such as an API key; without those of this connection.
fn end_to_end(metadata: &MetadataMap) -> MetadataMap {
    const HOP: [&str; 5] = ["content-length", "content-type", "host", "te", "user-agent"];
    let mut kept = MetadataMap::new();
    for pair in metadata.iter() {
        match pair {
            KeyAndValueRef::Ascii(key, value) => {
                if !key.as_str().starts_with("grpc-") && !HOP.contains(&key.as_str()) {
                    kept.append(key.clone(), value.clone());
                }
            }
            KeyAndValueRef::Binary(key, value) => {
                kept.append_bin(key.clone(), value.clone());
            }
        }
    }
    kept
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
