//! One chat request through two services, recorded with the typed spans.

use std::sync::Arc;
use std::time::Duration;

use llasta_telemetry::Names;
use llasta_telemetry::opentelemetry::Context;
use llasta_telemetry::opentelemetry::trace::{SpanContext, TraceContextExt, TraceState};
use llasta_telemetry::schema::{SpanDef, faiss, http, llm, rag, response};
use llasta_telemetry::span::Span;
use llasta_telemetry::testing::{CapturedSpan, Recorder, StillClock};

/// The twelve spans, in the order they ended.
pub(crate) fn chat_trace(names: Names) -> Vec<CapturedSpan> {
    let clock = Arc::new(StillClock::new());
    clock.step(Duration::from_millis(1));
    let recorder = |service| {
        let builder = Recorder::builder(service).names(names);
        builder.clock(clock.clone()).build()
    };
    let (chatbot, faiss_wrap) = (recorder("chatbot-rag"), recorder("faiss-wrap"));
    {
        let server = server(&chatbot, "/api/chat");
        let _in_server = server.enter();
        retrieve(&chatbot, &faiss_wrap);
        rag::BuildContext::start(3, 4000).finish(2, 1830);
        generate(&chatbot);
        response::SendToFrontend::start().finish(1432, 405, true);
        server.set(http::RESPONSE_STATUS_CODE, 200);
    }
    let mut spans = faiss_wrap.spans();
    spans.extend(chatbot.spans());
    spans
}

fn retrieve(chatbot: &Recorder, faiss_wrap: &Recorder) {
    let retrieve = rag::RetrieveContext::start(5, 0.5);
    retrieve.query("What is monitored?");
    let _in_retrieve = retrieve.enter();
    let call = client(chatbot, "/search", "faiss-wrap");
    in_another_process(&call, || {
        let server = server(faiss_wrap, "/search");
        let _in_server = server.enter();
        let search = faiss::Search::start(5, 18234);
        search.in_scope(|| {
            drop(faiss::EmbedQuery::start("BAAI/bge-m3", 1024, 18));
            faiss::IndexSearch::start(18234, 5, "Flat", "cpu").finish(5);
        });
        search.score_min(0.41).score_max(0.91).score_avg(0.63);
        search.finish(5);
        server.set(http::RESPONSE_STATUS_CODE, 200);
    });
    call.set(http::RESPONSE_STATUS_CODE, 200);
    retrieve.results_raw_count(5).results_filtered_count(3);
    retrieve.score_min(0.62).score_max(0.91).score_avg(0.75);
}

fn generate(chatbot: &Recorder) {
    let generate = llm::Generate::start("Qwen/Qwen3-8B", 3, 2048, true);
    generate
        .temperature(0.7)
        .tokens_prompt(250)
        .time_to_first_token(0.2)
        .finish_reason("stop");
    let _in_generate = generate.enter();
    let call = client(chatbot, "/v1/chat/completions", "vllm");
    call.set(http::RESPONSE_STATUS_CODE, 200);
    let response = llm::Response::start();
    response.tokens_prompt(250);
    response.finish(640, 220, 405, true);
}

fn server(recorder: &Recorder, route: &'static str) -> Span {
    let span = http_span(recorder, &http::SERVER, route);
    span.set(http::URL_PATH, route);
    span.set(http::URL_SCHEME, "http");
    span.set(http::ROUTE, route);
    span.set(http::NETWORK_PROTOCOL_VERSION, "1.1");
    span
}

fn client(recorder: &Recorder, template: &'static str, peer: &'static str) -> Span {
    let span = http_span(recorder, &http::CLIENT, template);
    span.set(http::URL_FULL, format!("http://{peer}:9000{template}"));
    span.set(http::URL_TEMPLATE, template);
    span.set(http::SERVER_ADDRESS, peer);
    span.set(http::SERVER_PORT, 9000);
    span.set(http::PEER_SERVICE, peer);
    span
}

/// What the layer and the middleware do one floor up.
fn http_span(recorder: &Recorder, def: &'static SpanDef, target: &str) -> Span {
    let span = Span::start(recorder.telemetry(), def, |_| {});
    let name = format!("POST {target}");
    span.in_scope(|| Context::current().span().update_name(name));
    span.set(http::REQUEST_METHOD, "POST");
    span
}

/// Only the ids go over the wire.
fn in_another_process(caller: &Span, work: impl FnOnce()) {
    let sampled = caller.in_scope(|| Context::current().span().span_context().trace_flags());
    let (trace, span) = (caller.trace_id(), caller.span_id());
    let remote = SpanContext::new(trace, span, sampled, true, TraceState::default());
    let context = Context::new().with_remote_span_context(remote);
    let _attached = context.attach();
    work();
}

/// The span of this name and kind.
pub(crate) fn find<'a>(
    spans: &'a mut [CapturedSpan],
    name: &str,
    kind: &str,
) -> &'a mut CapturedSpan {
    spans
        .iter_mut()
        .find(|span| span.name == name && span.kind == kind)
        .unwrap_or_else(|| panic!("no {kind} span `{name}`"))
}
