//! One request to a model, from its start until it is settled.

use std::borrow::Cow;
use std::time::Duration;

use super::chunk::ChunkView;
use super::metrics::LlmMetrics;
use super::pace::Pace;
use super::summary::{ChatSummary, Hook};
use super::think::{Part, ThinkSplitter};
use crate::context::{Scope, baggage};
use crate::line::Level;
use crate::metrics::{Counter, Exemplar};
use crate::schema::Key;
use crate::schema::labels::Outcome;
use crate::schema::llm::{self, Generate, Response};
use crate::telemetry::Telemetry;

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChatRequest<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Messages in the request.
    pub messages: usize,
    /// Bytes of the JSON request.
    pub size: usize,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Sampling temperature, when set.
    pub temperature: Option<f64>,
    /// Cap on the completion's tokens, when set.
    pub max_tokens: Option<u64>,
}

/// The server's usage block. What it does not say stays `None`: tokens are never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens the model read.
    pub prompt: Option<u64>,
    /// Tokens the model wrote.
    pub completion: Option<u64>,
    /// Both together.
    pub total: Option<u64>,
}

/// One request to a model. Tell it what arrives; it settles spans and metrics when it is
/// [completed](Self::complete), [failed](Self::fail) or dropped, which means that nobody listens
/// any more.
#[derive(Debug)]
pub struct ChatCall {
    generate: Generate,
    response: Option<Response>,
    metrics: Option<LlmMetrics>,
    stream: bool,
    splitter: ThinkSplitter,
    pace: Pace,
    usage: Usage,
    finish_reason: Option<Cow<'static, str>>,
    outcome: Outcome,
    settled: Option<Hook>,
}

impl ChatCall {
    /// Starts `vllm.generate` under the current span.
    pub fn start(request: ChatRequest<'_>, metrics: Option<LlmMetrics>) -> Self {
        Telemetry::with_current(|telemetry| Self::start_in(telemetry, request, metrics))
    }

    /// The same, recorded by the given telemetry.
    pub fn start_in(
        telemetry: &Telemetry,
        request: ChatRequest<'_>,
        metrics: Option<LlmMetrics>,
    ) -> Self {
        let generate = Generate::start_in(
            telemetry,
            request.model,
            request.messages,
            request.size,
            request.stream,
        );
        if let Some(temperature) = request.temperature {
            generate.temperature(temperature);
        }
        if let Some(max_tokens) = request.max_tokens {
            generate.max_tokens(max_tokens);
        }
        let pace = Pace::new(&generate);
        Self {
            generate,
            response: None,
            metrics,
            stream: request.stream,
            splitter: ThinkSplitter::default(),
            pace,
            usage: Usage::default(),
            finish_reason: None,
            outcome: Outcome::Cancelled,
            settled: None,
        }
    }

    /// The span, for the capture policy's content and anything else its schema lists.
    pub fn span(&self) -> &Generate {
        &self.generate
    }

    /// The context of the span: make the HTTP request inside it.
    pub fn scope(&self) -> Scope {
        self.generate.scope()
    }

    /// The messages sent, as JSON: only asked for when the capture policy lets them out.
    pub fn input_messages(&self, json: impl FnOnce() -> String) {
        self.content(llm::INPUT_MESSAGES, json);
    }

    /// The messages received, as JSON: only asked for when the capture policy lets them out.
    pub fn output_messages(&self, json: impl FnOnce() -> String) {
        self.content(llm::OUTPUT_MESSAGES, json);
    }

    fn content(&self, key: Key<str>, json: impl FnOnce() -> String) {
        let Some(telemetry) = self.generate.telemetry() else {
            return;
        };
        let places = telemetry.content().messages;
        if !(places.on_spans() && self.generate.is_recording() || places.on_events()) {
            return;
        }
        let json = json();
        if let (Some(lines), Some(content)) = (telemetry.lines(), telemetry.content().event(&json))
        {
            let ids = self.generate.ids();
            lines.write(
                Level::Info,
                "llasta_telemetry::content",
                telemetry.service_name(),
                ids,
                |line| {
                    line.message("message content");
                    line.text(key.name(), &content);
                    let context = &self.generate.scope().context;
                    for (key, value) in baggage::recorded(context, telemetry.baggage_keys()) {
                        line.text(key.as_str(), value.as_str());
                    }
                },
            );
        }
        self.generate.set(key, json);
    }

    /// A piece of the answer, as the model wrote it. `take` gets what is certain to be thinking
    /// or answer.
    pub fn text(&mut self, piece: &str, take: impl FnMut(Part, &str)) {
        if !piece.is_empty() {
            self.arrived();
            self.splitter.feed(piece, take);
        }
    }

    /// A piece that the server has marked as thinking itself (`reasoning_content`).
    pub fn thinking(&mut self, piece: &str, take: impl FnMut(Part, &str)) {
        if !piece.is_empty() {
            self.arrived();
            self.splitter.feed_thinking(piece, take);
        }
    }

    /// The server's usage block.
    pub fn usage(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// Why the model stopped.
    pub fn finish_reason(&mut self, reason: &str) {
        self.finish_reason = Some(match reason {
            "stop" => "stop".into(),
            "length" => "length".into(),
            other => other.to_owned().into(),
        });
    }

    /// Whether the model has said why it stopped: nothing of the answer comes after that.
    pub(super) fn is_whole(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// What a chunk brings, all of it.
    #[inline]
    pub fn chunk(&mut self, chunk: ChunkView<'_>, mut take: impl FnMut(Part, &str)) {
        if let Some(piece) = chunk.reasoning {
            self.thinking(piece, &mut take);
        }
        if let Some(piece) = chunk.content {
            self.text(piece, &mut take);
        }
        if let Some(reason) = chunk.finish_reason {
            self.finish_reason(reason);
        }
        if let Some(usage) = chunk.usage {
            self.usage(usage);
        }
    }

    /// An answer that came in one piece, which settles the call.
    ///
    /// ```
    /// use llasta_telemetry::llm::{ChatCall, ChatRequest, ChunkView, Part};
    ///
    /// let request = ChatRequest {
    ///     model: "tiny",
    ///     messages: 1,
    ///     size: 90,
    ///     stream: false,
    ///     temperature: None,
    ///     max_tokens: None,
    /// };
    /// let call = ChatCall::start(request, None);
    /// let mut said = String::new();
    /// let answer = ChunkView {
    ///     content: Some("<think>hm</think>Yes."),
    ///     finish_reason: Some("stop"),
    ///     ..ChunkView::default()
    /// };
    /// call.answer(answer, |part, text| if part == Part::Final { said.push_str(text) });
    /// assert_eq!(said, "Yes.");
    /// ```
    pub fn answer(
        mut self,
        answer: ChunkView<'_>,
        mut take: impl FnMut(Part, &str),
    ) -> ThinkSplitter {
        self.chunk(answer, &mut take);
        self.complete(take)
    }

    /// How long after the start the first token came.
    pub fn time_to_first_token(&self) -> Option<Duration> {
        self.pace.to_first()
    }

    /// The longest time between two pieces so far, when there were two.
    pub fn longest_gap(&self) -> Option<Duration> {
        self.pace.longest_gap()
    }

    /// What is known so far.
    pub fn summary(&self) -> ChatSummary {
        ChatSummary {
            outcome: self.outcome,
            duration: self.generate.elapsed(),
            time_to_first_token: self.pace.to_first(),
            longest_gap: self.pace.longest_gap(),
            pieces: self.pace.pieces(),
            usage: self.usage,
            finish_reason: self.finish_reason.clone(),
        }
    }

    /// Calls `hook` once when it is settled, whichever way it ended, inside its span.
    pub fn when_settled(&mut self, hook: impl FnOnce(&ChatSummary) + Send + Sync + 'static) {
        self.settled = Some(Hook(Box::new(hook)));
    }

    /// The answer is whole. Hands out what was held back.
    pub fn complete(mut self, take: impl FnMut(Part, &str)) -> ThinkSplitter {
        self.outcome = Outcome::Success;
        self.splitter.finish(take);
        if self.response.is_none() {
            self.response = Some(self.generate.in_scope(Response::start));
        }
        self.splitter.clone()
    }

    /// It failed: a word of low cardinality, and what happened.
    pub fn fail(mut self, error_type: impl Into<Cow<'static, str>>, message: &str) {
        self.outcome = Outcome::Error;
        let error_type = error_type.into();
        if let Some(response) = &self.response {
            response.fail(error_type.clone(), message);
        }
        self.generate.fail(error_type, message);
    }

    /// Something of the answer is there: the response begins with the first of it.
    #[inline]
    fn arrived(&mut self) {
        let Some(next) = self.pace.piece(&self.generate) else {
            return self.response = Some(self.generate.in_scope(Response::start));
        };
        let metrics = self.metrics.as_ref();
        if let Some(gaps) = metrics.and_then(|metrics| metrics.gaps.as_ref()) {
            // An exemplar for each would cost more than all of this.
            let exemplar = self.exemplar().filter(|_| next.is_longest);
            gaps.observe_with(next.gap().as_secs_f64(), exemplar);
        }
    }

    fn exemplar(&self) -> Option<Exemplar> {
        let ids = self.generate.ids();
        ids.sampled.then_some(Exemplar {
            trace_id: ids.trace_id,
            span_id: ids.span_id,
        })
    }

    /// (last − first) / (completion tokens − 1), for a streamed answer of at least two tokens.
    fn time_per_output_token(&self) -> Option<f64> {
        let tokens = self.usage.completion.filter(|tokens| *tokens > 1)?;
        let spent = self.pace.first_to_last().filter(|_| self.stream)?;
        Some(spent.as_secs_f64() / (tokens - 1) as f64)
    }
}

/// Everything is settled here, whichever way it ended.
impl Drop for ChatCall {
    fn drop(&mut self) {
        if let Some(Hook(hook)) = self.settled.take() {
            let summary = self.summary();
            self.generate.in_scope(|| hook(&summary));
        }
        let exemplar = self.exemplar();
        let per_token = self.time_per_output_token();
        let first = self
            .pace
            .to_first()
            .filter(|_| self.stream)
            .map(|first| first.as_secs_f64());
        if let Some(metrics) = &self.metrics {
            metrics.request(self.outcome).add_with(1, exemplar);
            let count = |counter: &Counter, tokens: Option<u64>| {
                if let Some(tokens) = tokens {
                    counter.add_with(tokens, exemplar);
                }
            };
            count(&metrics.prompt_tokens, self.usage.prompt);
            count(&metrics.completion_tokens, self.usage.completion);
            if let Some(first) = first {
                metrics.time_to_first_token.observe_with(first, exemplar);
            }
            if let Some(per_token) = per_token {
                metrics
                    .time_per_output_token
                    .observe_with(per_token, exemplar);
            }
        }
        let Usage {
            prompt,
            completion,
            total,
        } = self.usage;
        if let Some(response) = self.response.take() {
            set(prompt, |tokens| response.tokens_prompt(tokens));
            set(completion, |tokens| response.tokens_completion(tokens));
            set(total, |tokens| response.tokens_total(tokens));
            let chars = &self.splitter;
            response.finish(
                chars.raw_chars(),
                chars.thinking_chars(),
                chars.final_chars(),
                chars.has_thinking(),
            );
        }
        let generate = &self.generate;
        set(prompt, |tokens| generate.tokens_prompt(tokens));
        set(completion, |tokens| generate.tokens_completion(tokens));
        set(total, |tokens| generate.tokens_total(tokens));
        set(first, |seconds| generate.time_to_first_token(seconds));
        set(per_token, |seconds| generate.time_per_output_token(seconds));
        set(self.finish_reason.take(), |reason| {
            generate.finish_reason(reason)
        });
    }
}

/// Sets an attribute when there is something to say.
fn set<V, S>(value: Option<V>, set: impl FnOnce(V) -> S) {
    if let Some(value) = value {
        set(value);
    }
}
