//! OTLP over HTTP/1.1 and HTTP/2, as protobuf and as JSON.

use std::fmt::Display;
use std::io::Read;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use axum::routing::{MethodRouter, post};
use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::Value;
use tonic::metadata::MetadataMap;

use super::{Export, MOST_BYTES, Shared};

/// The routes of the three signals, beside those of gRPC.
pub(super) fn routes(grpc: Router, shared: &Arc<Shared>) -> Router {
    let http = Router::new()
        .route("/v1/traces", signal::<ExportTraceServiceRequest>())
        .route("/v1/logs", signal::<ExportLogsServiceRequest>())
        .route("/v1/metrics", signal::<ExportMetricsServiceRequest>())
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(shared.clone());
    let elsewhere = shared.clone();
    grpc.merge(http)
        .fallback(
            move |headers: HeaderMap, uri: Uri| async move { nowhere(&elsewhere, &headers, &uri) },
        )
}

fn signal<E: Export>() -> MethodRouter<Arc<Shared>> {
    post(take::<E>).fallback(not_posted)
}

async fn not_posted(State(shared): State<Arc<Shared>>, method: Method) -> Response<Body> {
    let why = format!("{method} is not how telemetry is sent: use POST");
    shared.refuse(&why);
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, why);
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    answer
}

async fn take<E: Export>(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    let Some(format) = Format::of(&headers) else {
        let given = text(&headers, &CONTENT_TYPE);
        let why = format!(
            "the content type `{given}` is none of OTLP's: send application/x-protobuf or application/json"
        );
        shared.refuse(&why);
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
    };
    match read::<E>(format, &headers, body) {
        Ok(request) => {
            shared
                .take(&MetadataMap::from_headers(headers), request)
                .await;
            // A response without a partial success, which says that all was taken.
            format.answer(StatusCode::OK, format.empty())
        }
        Err((status, why)) => {
            shared.refuse(&why);
            let mut answer = format.refusal(status, why);
            if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                answer
                    .headers_mut()
                    .insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
            }
            answer
        }
    }
}

fn read<E: Export>(
    format: Format,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<E, (StatusCode, String)> {
    let body = body.map_err(|rejection| {
        let why = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => format!("the body did not arrive whole: {}", rejection.body_text()),
        };
        (rejection.status(), why)
    })?;
    let bad = |why: String| (StatusCode::BAD_REQUEST, why);
    let body = match text(headers, &CONTENT_ENCODING)
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" => body,
        "gzip" => {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(&*body)
                .take(MOST_BYTES as u64 + 1)
                .read_to_end(&mut unpacked)
                .map_err(|error| bad(format!("the body is not the gzip it says: {error}")))?;
            if unpacked.len() > MOST_BYTES {
                return Err((StatusCode::PAYLOAD_TOO_LARGE, too_large()));
            }
            Bytes::from(unpacked)
        }
        other => {
            return Err((
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("the content encoding `{other}` is not understood: send gzip, or none"),
            ));
        }
    };
    let unreadable =
        |error: &dyn Display| bad(format!("the body is no {} in {format}: {error}", E::NAME));
    match format {
        Format::Protobuf => E::decode(body).map_err(|error| unreadable(&error)),
        Format::Json => {
            serde_json::from_slice(&body).or_else(|error| lenient(&body).ok_or(unreadable(&error)))
        }
    }
}

/// Protobuf's JSON takes `null` for a field that is not set; some exporters write it.
fn lenient<E: Export>(body: &[u8]) -> Option<E> {
    let mut json: Value = serde_json::from_slice(body).ok()?;
    drop_nulls(&mut json);
    serde_json::from_value(json).ok()
}

fn drop_nulls(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn too_large() -> String {
    format!(
        "the request is larger than {} MiB: send smaller batches",
        MOST_BYTES / 1024 / 1024
    )
}

/// Where nothing is: most often an endpoint for one signal without its path.
fn nowhere(shared: &Shared, headers: &HeaderMap, uri: &Uri) -> Response<Body> {
    let path = uri.path();
    if text(headers, &CONTENT_TYPE).starts_with("application/grpc") {
        let why =
            format!("`{path}` is no service of this receiver: it takes traces, logs and metrics");
        shared.refuse(&why);
        return tonic::Status::unimplemented(why).into_http();
    }
    let why = format!(
        "there is nothing at `{path}`: over HTTP, send OTLP to /v1/traces, /v1/logs and /v1/metrics"
    );
    shared.refuse(&why);
    plain(StatusCode::NOT_FOUND, why)
}

/// How a body is written, and the answer to it.
#[derive(Debug, Clone, Copy)]
enum Format {
    Protobuf,
    Json,
}

impl Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Protobuf => "protobuf",
            Self::Json => "JSON",
        })
    }
}

/// What OTLP answers with instead of a response: `google.rpc.Status`, without its details.
#[derive(Clone, PartialEq, prost::Message)]
struct Refusal {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl Format {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let given = text(headers, &CONTENT_TYPE);
        let essence = given.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn empty(self) -> Vec<u8> {
        match self {
            Self::Protobuf => Vec::new(),
            Self::Json => b"{}".to_vec(),
        }
    }

    fn refusal(self, status: StatusCode, message: String) -> Response<Body> {
        let code = tonic::Code::InvalidArgument as i32;
        let body = match self {
            Self::Protobuf => Refusal { code, message }.encode_to_vec(),
            Self::Json => serde_json::json!({"code": code, "message": message})
                .to_string()
                .into_bytes(),
        };
        self.answer(status, body)
    }

    fn answer(self, status: StatusCode, body: Vec<u8>) -> Response<Body> {
        let content_type = match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        };
        respond(status, content_type, body)
    }
}

fn plain(status: StatusCode, why: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", why.into_bytes())
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
