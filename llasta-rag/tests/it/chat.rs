//! chatbot-rag answers as section 5 of the contract says: whole, streamed, and to the LLM.

use axum::http::{HeaderValue, Request};
use llasta_rag::service::llm::{self, LlmConfig};
use llasta_telemetry::Names;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::{Recorder, conform};
use serde_json::{Value, json};

use crate::support::{
    Chat, FakeLlm, QUESTION, Say, Served, call, keys, post, question, streamed, thoughts,
};

async fn stand_in() -> Served {
    let config = LlmConfig {
        model: "stand-in".to_owned(),
        token_delay: std::time::Duration::ZERO,
        concurrency: 4,
        max_body_bytes: 1 << 20,
    };
    Served::new(llm::router(config, Recorder::new("vllm").telemetry())).await
}

#[tokio::test]
async fn a_whole_answer_has_exactly_the_fields_of_the_contract() {
    let llm = stand_in().await;
    let chat = Chat::new(&llm.url, |_| {}).await;
    let answer = chat.ask(&question(false)).await.json();
    assert_eq!(
        keys(&answer),
        [
            "message",
            "sources",
            "thinking_content",
            "trace_id",
            "usage"
        ]
    );
    assert_eq!(keys(&answer["message"]), ["content", "role"]);
    assert_eq!(answer["message"]["role"], "assistant");
    let content = answer["message"]["content"].as_str().unwrap();
    assert!(content.contains("4317"), "{content}");
    assert!(!content.contains("<think>") && content == content.trim());
    assert!(!answer["thinking_content"].as_str().unwrap().is_empty());
    assert_eq!(
        keys(&answer["usage"]),
        ["completion_tokens", "prompt_tokens", "total_tokens"]
    );
    let source = &answer["sources"][0];
    assert_eq!(keys(source), ["id", "metadata", "number", "score", "text"]);
    // What the answer cites it by.
    assert_eq!(source["number"], 1);
    assert!(content.ends_with(" [1]"), "{content}");
    assert_eq!(source["id"], "ports");
    assert_eq!(
        source["metadata"],
        json!({"source": "ports.pdf", "page": 3})
    );
}

#[tokio::test]
async fn the_trace_id_of_an_answer_is_that_of_its_trace_and_of_its_caller() {
    let llm = stand_in().await;
    for stream in [false, true] {
        let chat = Chat::new(&llm.url, |_| {}).await;
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let mut request: Request<_> = post("/api/chat", &question(stream));
        let parent = format!("00-{trace}-b7ad6b7169203331-01");
        let parent = HeaderValue::from_str(&parent).unwrap();
        request.headers_mut().insert("traceparent", parent);
        let answer = call(&chat.app, request).await;
        let end = if stream {
            streamed(&answer).1
        } else {
            answer.json()
        };
        assert_eq!(end["trace_id"], trace);
        assert!(
            chat.spans().await.iter().all(|span| span.trace_id == trace),
            "a span lost the trace"
        );
    }
}

#[tokio::test]
async fn a_streamed_answer_says_the_same_in_pieces() {
    let llm = stand_in().await;
    let whole = Chat::new(&llm.url, |_| {}).await;
    let whole = whole.ask(&question(false)).await.json();
    let chat = Chat::new(&llm.url, |_| {}).await;
    let answer = chat.ask(&question(true)).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let (pieces, end) = streamed(&answer);
    assert!(pieces.len() > 5, "{pieces:?}");
    assert_eq!(whole["message"]["content"], pieces.concat());
    assert_eq!(
        keys(&end),
        ["sources", "thinking_content", "trace_id", "usage"]
    );
    for key in ["sources", "thinking_content", "usage"] {
        assert_eq!(end[key], whole[key], "{key}");
    }
}

#[tokio::test]
async fn both_ways_make_the_spans_and_metrics_of_the_contract() {
    let llm = stand_in().await;
    for stream in [false, true] {
        let chat = Chat::new(&llm.url, |_| {}).await;
        let answer = chat.ask(&question(stream)).await;
        let spans = chat.spans().await;
        let schema = Schema::contract();
        assert_eq!(conform::chat_request(&schema, &spans), []);
        assert_eq!(conform::spans(&schema, &spans, Names::Both), []);
        let handover = chat.seen.span("response.send_to_frontend").unwrap();
        assert_eq!(
            handover.int("response.size"),
            Some(answer.text.len() as i64)
        );
        let said = if stream {
            streamed(&answer).0.concat()
        } else {
            answer.json()["message"]["content"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            handover.int("response.final_chars"),
            Some(said.chars().count() as i64)
        );
        for (series, value) in [
            (
                "chatbot_requests_total{endpoint=\"/api/chat\",status=\"success\"}",
                1,
            ),
            ("chatbot_requests_total", 1),
            ("chatbot_requests_in_flight", 0),
            ("chatbot_vllm_requests_total{status=\"success\"}", 1),
            ("chatbot_faiss_requests_total{status=\"success\"}", 1),
            ("chatbot_rag_chunks_total", 1),
            ("chatbot_rag_chunks_sent_sum", 1),
            (
                "chatbot_llm_time_to_first_token_seconds_count",
                u64::from(stream),
            ),
            ("chatbot_time_to_first_byte_seconds_count", 1),
        ] {
            assert_eq!(chat.seen.counter(series), Some(value), "{series}");
        }
    }
}

#[tokio::test]
async fn only_without_think_mode_the_last_user_message_asks_not_to_think() {
    for (think_mode, last) in [
        (json!(false), "And now? /no_think"),
        (json!(true), "And now?"),
        (Value::Null, "And now?"),
    ] {
        let llm = FakeLlm::new(Say::whole("Yes.")).await;
        let chat = Chat::new(llm.url(), |config| config.min_score = 1.0).await;
        let mut body = json!({"messages": [
            {"role": "user", "content": "First?"},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "And now?"},
        ]});
        if !think_mode.is_null() {
            body["think_mode"] = think_mode;
        }
        chat.ask(&body).await;
        let (_, asked) = llm.only();
        assert_eq!(
            asked["messages"],
            json!([
                {"role": "user", "content": "First?"},
                {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": last},
            ])
        );
    }
}

#[tokio::test]
async fn the_context_goes_after_an_existing_system_message_or_first() {
    for (system, at) in [(false, 0), (true, 1)] {
        let llm = FakeLlm::new(Say::whole("4317.")).await;
        let chat = Chat::new(llm.url(), |_| {}).await;
        let mut messages = vec![json!({"role": "user", "content": QUESTION})];
        if system {
            messages.insert(0, json!({"role": "system", "content": "Be kind."}));
        }
        chat.ask(&json!({ "messages": messages })).await;
        let (_, asked) = llm.only();
        let asked = asked["messages"].as_array().unwrap();
        assert_eq!(asked.len(), messages.len() + 1);
        let context = &asked[at];
        assert_eq!(context["role"], "system");
        let text = context["content"].as_str().unwrap();
        assert!(
            text.contains("\n\n[1] Source: ports.pdf, page 3\nThe collector listens on port 4317."),
            "{text}"
        );
        let others: Vec<_> = asked.iter().filter(|message| *message != context).collect();
        assert_eq!(others, messages.iter().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_request_to_the_llm_says_what_was_asked_and_no_more() {
    let llm = FakeLlm::new(Say::whole("Yes.")).await;
    let with_v1 = format!("{}/v1/", llm.url());
    let chat = Chat::new(&with_v1, |config| {
        config.api_key = Some("secret".to_owned());
        config.min_score = 1.0;
    })
    .await;
    let answer = chat.ask(&question(false)).await.json();
    let (headers, asked) = llm.only();
    assert_eq!(
        asked,
        json!({
            "model": "stand-in", "messages": [{"role": "user", "content": QUESTION}],
            "stream": false, "temperature": 0.7
        })
    );
    assert_eq!(headers["authorization"], "Bearer secret");
    assert_eq!(headers["content-type"], "application/json");
    let client = chat.seen.span("POST /v1/chat/completions").unwrap();
    assert_eq!(
        headers["traceparent"].to_str().unwrap(),
        format!(
            "00-{}-{}-01",
            answer["trace_id"].as_str().unwrap(),
            client.span_id
        )
    );
    for span in chat.seen.spans() {
        assert!(!format!("{span:?}").contains("secret"), "{span:?}");
    }

    let llm = FakeLlm::new(Say::stream(&["Yes."])).await;
    let chat = Chat::new(llm.url(), |config| config.min_score = 1.0).await;
    let mut body = question(true);
    body["max_tokens"] = json!(9);
    body["temperature"] = json!(0);
    chat.ask(&body).await;
    let (headers, asked) = llm.only();
    assert_eq!(
        asked,
        json!({
            "model": "stand-in", "messages": [{"role": "user", "content": QUESTION}],
            "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.0,
            "max_tokens": 9
        })
    );
    assert!(!headers.contains_key("authorization"));
}

#[tokio::test]
async fn chunks_under_the_threshold_are_dropped() {
    let llm = FakeLlm::new(Say::whole("I do not know.")).await;
    let chat = Chat::new(llm.url(), |config| {
        config.min_score = 0.99;
        config.top_k = 2;
    })
    .await;
    let answer = chat.ask(&question(false)).await.json();
    assert_eq!(answer["sources"], json!([]));
    assert_eq!(llm.asked()[0]["messages"].as_array().unwrap().len(), 1);
    let span = chat.seen.span("rag.retrieve_context").unwrap();
    assert_eq!(span.int("rag.top_k"), Some(2));
    assert_eq!(span.double("rag.min_score"), Some(0.99));
    assert_eq!(span.int("rag.results_raw_count"), Some(2));
    assert_eq!(span.int("rag.results_filtered_count"), Some(0));
    assert!(!span.attributes.contains_key("rag.score_max"));
    let span = chat.seen.span("rag.build_context").unwrap();
    assert_eq!(span.int("rag.chunks_sent"), Some(0));
    assert_eq!(span.int("rag.context_chars"), Some(0));
    assert_eq!(
        chat.seen
            .counter("chatbot_rag_chunks_sent_bucket{le=\"0.0\"}"),
        Some(1)
    );
}

#[tokio::test]
async fn the_context_block_takes_whole_chunks_up_to_its_limit() {
    let everything = async |limit: usize| {
        let llm = FakeLlm::new(Say::whole("Yes.")).await;
        let chat = Chat::new(llm.url(), |config| {
            config.min_score = 0.0;
            config.max_context_chars = limit;
        })
        .await;
        let body = json!({"messages": [{"role": "user",
            "content": "the day in April, the invoice, cats and the collector's port"}]});
        let answer = chat.ask(&body).await.json();
        let (_, asked) = llm.only();
        let context = asked["messages"][0]["content"].as_str().unwrap().to_owned();
        let span = chat.seen.span("rag.build_context").unwrap();
        let sent = answer["sources"].as_array().unwrap().len();
        assert_eq!(span.int("rag.chunks_sent"), Some(sent as i64));
        assert_eq!(span.int("rag.limit_chars"), Some(limit as i64));
        (context, sent)
    };
    let (all, sent) = everything(4000).await;
    assert_eq!(sent, 3);
    let chars = all.chars().count();
    assert_eq!(everything(chars).await, (all.clone(), 3));
    let (fewer, sent) = everything(chars - 1).await;
    assert_eq!(sent, 2);
    assert_eq!(fewer, all[..all.find("\n\n[3] Source: ").unwrap()]);
    let (none, sent) = everything(20).await;
    assert_eq!((none.contains("[1]"), sent), (false, 0));
}

#[tokio::test]
async fn thinking_is_told_apart_however_it_comes() {
    let marked = json!({
        "choices": [{"message": {"role": "assistant", "content": "Yes.", "reasoning": "Hm."},
                     "finish_reason": "stop"}]
    });
    let marked_chunk =
        |delta: Value| format!("data: {}\n\n", json!({"choices": [{"delta": delta}]}));
    for (stream, say) in [
        (false, Say::whole("<think>Hm.</think>\n\nYes.\n")),
        (false, Say::Status(200, marked.to_string())),
        (
            true,
            Say::stream(&["<th", "ink>Hm.</thi", "nk>\n\nYe", "s.", "\n"]),
        ),
        (
            true,
            Say::Stream(vec![
                marked_chunk(json!({"reasoning_content": "H"})),
                marked_chunk(json!({"reasoning_content": "m."})),
                marked_chunk(json!({"content": "Yes."})),
                "data: [DONE]\n\n".to_owned(),
            ]),
        ),
    ] {
        let llm = FakeLlm::new(say.clone()).await;
        let chat = Chat::new(llm.url(), |_| {}).await;
        let answer = chat.ask(&question(stream)).await;
        let (content, end) = if stream {
            let (pieces, end) = streamed(&answer);
            // Whoever watches sees the thinking as it comes.
            assert_eq!(thoughts(&answer).concat(), "Hm.", "{say:?}");
            (pieces.concat(), end)
        } else {
            let answer = answer.json();
            (
                answer["message"]["content"].as_str().unwrap().to_owned(),
                answer,
            )
        };
        assert_eq!(content, "Yes.", "{say:?}");
        assert_eq!(end["thinking_content"], "Hm.", "{say:?}");
        let span = chat.seen.span("vllm.response").unwrap();
        assert_eq!(span.bool("llm.has_thinking"), Some(true));
        assert_eq!(span.int("llm.thinking_chars"), Some(3));
    }
}

#[tokio::test]
async fn without_thinking_and_usage_there_is_neither() {
    let bare = json!({"choices": [{"message": {"role": "assistant", "content": "Yes."}}]});
    let llm = FakeLlm::new(Say::Status(200, bare.to_string())).await;
    let chat = Chat::new(llm.url(), |_| {}).await;
    let answer = chat.ask(&question(false)).await.json();
    assert_eq!(answer["thinking_content"], Value::Null);
    assert_eq!(answer["usage"], Value::Null);
    let span = chat.seen.span("vllm.generate").unwrap();
    assert!(
        !span.attributes.contains_key("llm.tokens_prompt"),
        "{span:?}"
    );
    assert_eq!(chat.seen.counter("chatbot_llm_tokens_total"), Some(0));
}

#[tokio::test]
async fn a_stream_is_whole_without_its_last_blank_line_and_without_done_behind_a_reason() {
    let end = r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#;
    for last in ["[DONE]\n".to_owned(), format!("{end}\n\n"), end.to_owned()] {
        let events = vec![Say::piece("Yes."), format!("data: {last}")];
        let llm = FakeLlm::new(Say::Stream(events)).await;
        let chat = Chat::new(llm.url(), |_| {}).await;
        let (pieces, _) = streamed(&chat.ask(&question(true)).await);
        assert_eq!(pieces, ["Yes."], "{last}");
    }
}

#[tokio::test]
async fn the_model_is_asked_to_cite_and_a_passage_is_cited_by_its_number() {
    let llm = FakeLlm::new(Say::whole("Port 4317 [1].")).await;
    let chat = Chat::new(llm.url(), |config| config.min_score = 0.0).await;
    let answer = chat.ask(&question(false)).await.json();
    let (_, asked) = llm.only();
    let context = asked["messages"][0]["content"].as_str().unwrap();
    assert!(context.contains("cite the passages"), "{context}");
    let sources = answer["sources"].as_array().unwrap();
    assert!(sources.len() > 1, "{sources:?}");
    for source in sources {
        let text = source["text"].as_str().unwrap();
        let at = context.find(text).unwrap();
        let header = &context[..at];
        let number = format!("[{}] Source: ", source["number"]);
        assert!(header.rfind(&number) > header.rfind("\n\n"), "{context}");
    }
}
