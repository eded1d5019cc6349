//! One answer under way, and what is said of it: its metrics, and vLLM's span `llm_request`.

use std::sync::Arc;
use std::time::Instant;

use llasta_telemetry::metrics::Gauge;
use tokio::sync::OwnedSemaphorePermit;

use super::{Service, created_nanos};
use crate::generate::{Answer, ChatRequest, Usage, answer};
use crate::schema::vllm::LlmRequest;

/// One answer under way. Settles its metrics and ends its span when it is dropped, whole or not.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) id: String,
    pub(super) service: Arc<Service>,
    answer: Answer,
    span: Option<LlmRequest>,
    written: usize,
    arrived: Instant,
    /// When it was its turn.
    scheduled: Instant,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Generation {
    pub(super) async fn begin(service: Arc<Service>, request: &ChatRequest) -> Self {
        let arrived = Instant::now();
        let id = format!("chatcmpl-{:x}", created_nanos());
        let answer = answer(request);
        let prompt_tokens = i64::from(answer.usage().prompt_tokens);
        let span = LlmRequest::start_in(&service.telemetry, &id, prompt_tokens);
        if let Some(temperature) = request.temperature {
            span.request_temperature(temperature);
        }
        if let Some(max_tokens) = request.max_tokens {
            span.request_max_tokens(i64::from(max_tokens));
        }
        let mut waiting = Waiting {
            span: Some(span),
            arrived,
            _raised: Raised::new(&service.waiting),
        };
        let slot = service.slots.clone().acquire_owned().await.ok();
        let span = waiting.span.take();
        drop(waiting);
        service.active.add(1);
        Self {
            id,
            answer,
            span,
            written: 0,
            arrived,
            scheduled: Instant::now(),
            first_token: None,
            last_token: None,
            _slot: slot,
            service,
        }
    }

    pub(super) async fn next(&mut self) -> Option<String> {
        if !self.service.config.token_delay.is_zero() {
            tokio::time::sleep(self.service.config.token_delay).await;
        }
        let token = self.answer.next()?;
        self.service.tokens.inc();
        self.written += 1;
        let now = Instant::now();
        self.first_token.get_or_insert(now);
        self.last_token = Some(now);
        Some(token)
    }

    pub(super) fn usage(&self) -> Usage {
        self.answer.usage()
    }

    pub(super) fn finish_reason(&self) -> &'static str {
        self.answer.finish_reason()
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.service.active.add(-1);
        let duration = self.arrived.elapsed().as_secs_f64();
        self.service.duration.observe(duration);
        let Some(span) = self.span.take() else {
            return;
        };
        let seconds = |from: Instant, to: Instant| to.duration_since(from).as_secs_f64();
        span.latency_time_in_queue(seconds(self.arrived, self.scheduled));
        if let (Some(first), Some(last)) = (self.first_token, self.last_token) {
            span.latency_time_to_first_token(seconds(self.arrived, first));
            span.latency_time_in_model_prefill(seconds(self.scheduled, first));
            span.latency_time_in_model_decode(seconds(first, last));
            span.latency_time_in_model_inference(seconds(self.scheduled, last));
        }
        span.finish(duration, self.written);
    }
}

/// A request that waits for its turn. One whose client leaves now has its span too.
struct Waiting<'a> {
    span: Option<LlmRequest>,
    arrived: Instant,
    _raised: Raised<'a>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            let waited = self.arrived.elapsed().as_secs_f64();
            span.latency_time_in_queue(waited);
            span.finish(waited, 0);
        }
    }
}

/// A gauge that is one higher while this lives.
struct Raised<'a>(&'a Gauge);

impl<'a> Raised<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.add(1);
        Self(gauge)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}
