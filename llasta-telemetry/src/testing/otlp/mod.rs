//! OTLP as it comes in: `grpc` and `http` read requests, `forward` passes them on, `metrics` and
//! `log` turn them into what the kit works on, as `CapturedSpan` does for spans.

mod forward;
mod grpc;
mod http;
mod log;
mod metrics;
mod naming;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::middleware::{Next, from_fn};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

pub(super) use self::forward::{FORWARD_DEADLINE, Forward};
pub use self::forward::{Forwarded, Tally};
use self::metrics::Metrics;
use super::store::Store;
use super::{CapturedLog, CapturedPage, CapturedSpan, Evidence};

/// Largest request that is taken; the default of 4 MiB is less than a full batch of spans with
/// whole prompts on them.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// How many refusals are kept: one that repeats itself says nothing new.
const MOST_REFUSALS: usize = 32;

/// How much an [`OtlpReceiver`](super::OtlpReceiver) got so far, whatever was taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Received {
    /// Requests of all three signals, over gRPC and over HTTP, that could be read.
    pub requests: u64,
    /// Requests over HTTP that could not.
    pub refused: u64,
    /// Spans in them.
    pub spans: u64,
    /// Log records in them.
    pub logs: u64,
    /// Data points of metrics in them.
    pub points: u64,
}

/// What came and is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) spans: Vec<CapturedSpan>,
    pub(super) logs: Vec<CapturedLog>,
    pub(super) metrics: Metrics,
    pub(super) received: Received,
    pub(super) refusals: Vec<String>,
}

impl Kept {
    pub(super) fn evidence(&self) -> Evidence {
        let evidence = Evidence::new()
            .spans(self.spans.iter().cloned())
            .logs(self.logs.iter().cloned());
        self.pages().into_iter().fold(evidence, Evidence::page)
    }

    pub(super) fn pages(&self) -> Vec<CapturedPage> {
        self.metrics.pages()
    }

    /// The same, and forgets it.
    pub(super) fn take_evidence(&mut self) -> Evidence {
        let evidence = self.evidence();
        self.spans.clear();
        self.logs.clear();
        self.metrics = Metrics::default();
        evidence
    }
}

/// What the server's tasks work on.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) store: Store<Kept>,
    pub(super) forward: Mutex<Option<Forward>>,
    /// How many calls are open.
    open: watch::Sender<usize>,
}

impl Shared {
    /// The routes of both protocols, for one port.
    pub(super) fn router(self: &Arc<Self>) -> Router {
        let shared = self.clone();
        http::routes(grpc::routes(self), self).layer(from_fn(move |request, next: Next| {
            let open = Open::new(shared.clone());
            async move {
                let _open = open;
                next.run(request).await
            }
        }))
    }

    /// Waits until no call is open.
    pub(super) async fn answered(&self) {
        // The sender is here, so it cannot be gone.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Keeps a request, and passes it on where that was asked for.
    async fn take<E: Export>(&self, metadata: &MetadataMap, request: E) {
        self.store.change(|kept| {
            kept.received.requests += 1;
            request.keep(kept);
        });
        let forward = super::receiver::lock(&self.forward).clone();
        if let Some(forward) = forward {
            forward.pass_on(metadata, request).await;
        }
    }

    /// Remembers why a request could not be taken.
    fn refuse(&self, why: &str) {
        self.store.change(|kept| {
            kept.received.refused += 1;
            if kept.refusals.len() < MOST_REFUSALS && !kept.refusals.iter().any(|old| old == why) {
                kept.refusals.push(why.to_owned());
            }
        });
    }
}

/// A call that is open, until it is dropped.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

/// A request of one signal.
trait Export: prost::Message + Default + DeserializeOwned + 'static {
    /// What the protocol calls it.
    const NAME: &'static str;

    fn keep(&self, kept: &mut Kept);

    /// How many spans, log records or data points it holds.
    fn size(&self) -> u64;

    /// Where it is counted when it is passed on.
    fn tally(forwarded: &mut Forwarded) -> &mut Tally;

    /// Sends it to a collector; gives back how many of its parts that refused, and why.
    fn send(
        channel: Channel,
        request: tonic::Request<Self>,
    ) -> impl Future<Output = Result<(i64, String), tonic::Status>> + Send;
}

impl Export for ExportTraceServiceRequest {
    const NAME: &'static str = "ExportTraceServiceRequest";

    fn keep(&self, kept: &mut Kept) {
        kept.received.spans += self.size();
        let spans = self.resource_spans.iter();
        kept.spans.extend(spans.flat_map(CapturedSpan::from_otlp));
    }

    fn size(&self) -> u64 {
        let groups = self.resource_spans.iter();
        let scopes = groups.flat_map(|group| &group.scope_spans);
        scopes.map(|scope| scope.spans.len() as u64).sum()
    }

    fn tally(forwarded: &mut Forwarded) -> &mut Tally {
        &mut forwarded.spans
    }

    async fn send(
        channel: Channel,
        request: tonic::Request<Self>,
    ) -> Result<(i64, String), tonic::Status> {
        use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
        let mut client = TraceServiceClient::new(channel).max_encoding_message_size(MOST_BYTES);
        let partial = client.export(request).await?.into_inner().partial_success;
        let partial = partial.unwrap_or_default();
        Ok((partial.rejected_spans, partial.error_message))
    }
}

impl Export for ExportLogsServiceRequest {
    const NAME: &'static str = "ExportLogsServiceRequest";

    fn keep(&self, kept: &mut Kept) {
        kept.received.logs += self.size();
        let logs = self.resource_logs.iter();
        kept.logs.extend(logs.flat_map(log::captured));
    }

    fn size(&self) -> u64 {
        let groups = self.resource_logs.iter();
        let scopes = groups.flat_map(|group| &group.scope_logs);
        scopes.map(|scope| scope.log_records.len() as u64).sum()
    }

    fn tally(forwarded: &mut Forwarded) -> &mut Tally {
        &mut forwarded.logs
    }

    async fn send(
        channel: Channel,
        request: tonic::Request<Self>,
    ) -> Result<(i64, String), tonic::Status> {
        use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
        let mut client = LogsServiceClient::new(channel).max_encoding_message_size(MOST_BYTES);
        let partial = client.export(request).await?.into_inner().partial_success;
        let partial = partial.unwrap_or_default();
        Ok((partial.rejected_log_records, partial.error_message))
    }
}

impl Export for ExportMetricsServiceRequest {
    const NAME: &'static str = "ExportMetricsServiceRequest";

    fn keep(&self, kept: &mut Kept) {
        kept.received.points += self.size();
        kept.metrics.add(self);
    }

    fn size(&self) -> u64 {
        let groups = self.resource_metrics.iter();
        let scopes = groups.flat_map(|group| &group.scope_metrics);
        let metrics = scopes.flat_map(|scope| &scope.metrics);
        metrics.map(|metric| metrics::points(metric) as u64).sum()
    }

    fn tally(forwarded: &mut Forwarded) -> &mut Tally {
        &mut forwarded.points
    }

    async fn send(
        channel: Channel,
        request: tonic::Request<Self>,
    ) -> Result<(i64, String), tonic::Status> {
        use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
        let mut client = MetricsServiceClient::new(channel).max_encoding_message_size(MOST_BYTES);
        let partial = client.export(request).await?.into_inner().partial_success;
        let partial = partial.unwrap_or_default();
        Ok((partial.rejected_data_points, partial.error_message))
    }
}
