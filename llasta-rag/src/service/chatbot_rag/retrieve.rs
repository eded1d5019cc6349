//! `rag.retrieve_context`: which passages may answer the question.

use std::fmt;

use llasta_telemetry::client::{PeerService, UrlTemplate};
use llasta_telemetry::schema::labels::Outcome;
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::span::Span;

use super::Service;
use super::retry::Resend;
use crate::api::search::{SearchRequest, SearchResponse};
use crate::pipeline::{self, Scores, SearchResult};

/// Asks faiss-wrap and drops what is under the threshold. A failure is recorded, and the chat goes
/// on without passages.
pub(super) async fn retrieve(service: &Service, question: &str) -> Vec<SearchResult> {
    let config = &service.config;
    let span = RetrieveContext::start(config.top_k, config.min_score);
    span.query(question);
    let mut settled = Settled {
        service,
        outcome: Outcome::Cancelled,
    };
    let found = match span.run(search(service, question)).await {
        Ok(found) => {
            settled.outcome = Outcome::Success;
            found
        }
        Err(error) => {
            settled.outcome = Outcome::Error;
            span.in_scope(|| {
                tracing::warn!(error = %error, "retrieval failed: the answer goes without context; check FAISS_WRAP_URL and faiss-wrap's /health");
            });
            fail(&span, &error);
            return Vec::new();
        }
    };
    span.results_raw_count(found.len());
    let found = pipeline::filter(found, config.min_score);
    span.results_filtered_count(found.len());
    if let Some(scores) = Scores::of(&found) {
        span.score_min(scores.min)
            .score_max(scores.max)
            .score_avg(scores.avg);
    }
    found
}

fn fail(span: &Span, error: &SearchError) {
    let word = match error {
        SearchError::Request(error) if error.is_timeout() => "timeout",
        SearchError::Body(error) if error.is_timeout() => "timeout",
        SearchError::Request(_) => "faiss_wrap_unreachable",
        SearchError::Body(_) => "faiss_wrap_broke_off",
        SearchError::Status(_) => "faiss_wrap_error",
        SearchError::Answer(_) => "faiss_wrap_bad_answer",
    };
    span.fail(word, &error.to_string());
}

/// Counts the request to faiss-wrap once, even when nobody waits for it any more.
struct Settled<'a> {
    service: &'a Service,
    outcome: Outcome,
}

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        self.service.metrics.faiss_requests(self.outcome).inc();
    }
}

/// Why a search gave nothing.
#[derive(Debug)]
enum SearchError {
    Request(reqwest_middleware::Error),
    Status(reqwest::StatusCode),
    Body(reqwest::Error),
    Answer(serde_json::Error),
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => f.write_str(&crate::api::chain(error)),
            Self::Status(status) => write!(f, "faiss-wrap answered {status}"),
            Self::Body(error) => write!(
                f,
                "faiss-wrap's answer broke off: {}",
                crate::api::chain(error)
            ),
            Self::Answer(error) => write!(f, "faiss-wrap's answer cannot be read: {error}"),
        }
    }
}

async fn search(service: &Service, question: &str) -> Result<Vec<SearchResult>, SearchError> {
    let config = &service.config;
    let body = SearchRequest::new(
        question.to_owned(),
        i64::try_from(config.top_k).unwrap_or(i64::MAX),
    );
    let response = service
        .client
        .post(config.faiss_url("/search"))
        .with_extension(UrlTemplate("/search"))
        .with_extension(PeerService("faiss-wrap"))
        .with_extension(Resend(config.connect_retries))
        .timeout(config.search_timeout)
        .json(&body)
        .send()
        .await
        .map_err(SearchError::Request)?;
    if !response.status().is_success() {
        return Err(SearchError::Status(response.status()));
    }
    let body = response.bytes().await.map_err(SearchError::Body)?;
    let answer: SearchResponse = serde_json::from_slice(&body).map_err(SearchError::Answer)?;
    Ok(answer.results)
}
