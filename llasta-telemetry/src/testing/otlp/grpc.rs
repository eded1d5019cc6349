//! OTLP over gRPC.

use std::sync::Arc;

use axum::Router;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::{Export, MOST_BYTES, Shared};

pub(super) fn routes(shared: &Arc<Shared>) -> Router {
    let traces = TraceServiceServer::from_arc(shared.clone())
        .accept_compressed(Gzip)
        .max_decoding_message_size(MOST_BYTES);
    let logs = LogsServiceServer::from_arc(shared.clone())
        .accept_compressed(Gzip)
        .max_decoding_message_size(MOST_BYTES);
    let metrics = MetricsServiceServer::from_arc(shared.clone())
        .accept_compressed(Gzip)
        .max_decoding_message_size(MOST_BYTES);
    Routes::new(traces)
        .add_service(logs)
        .add_service(metrics)
        .into_axum_router()
}

impl Shared {
    async fn export<E: Export, A: Default>(
        &self,
        request: Request<E>,
    ) -> Result<Response<A>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.take(&metadata, message).await;
        Ok(Response::new(A::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Shared {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Shared::export(self, request).await
    }
}

#[tonic::async_trait]
impl LogsService for Shared {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        Shared::export(self, request).await
    }
}

#[tonic::async_trait]
impl MetricsService for Shared {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Shared::export(self, request).await
    }
}
