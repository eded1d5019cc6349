use std::borrow::Cow;

use llasta_telemetry::content::{Capture, ContentPolicy, Messages};
use llasta_telemetry::schema::{llm, rag};
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use llasta_telemetry::{ErrorKind, Names};

fn policy(capture: Option<Capture>, messages: Messages) -> ContentPolicy {
    let mut policy = ContentPolicy::default();
    policy.capture = capture;
    policy.messages = messages;
    policy
}

/// What a span says of a query of 150 letters of two bytes each.
fn query(policy: ContentPolicy) -> CapturedSpan {
    let seen = Recorder::builder("shop").content(policy).build();
    let span = rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.query("é".repeat(150));
    drop(span);
    seen.spans().remove(0)
}

#[test]
fn queries_are_cut_to_a_hundred_characters_under_both_names() {
    let span = query(ContentPolicy::default());
    assert_eq!(span.text("rag.query"), Some("é".repeat(100).as_str()));
    assert_eq!(
        span.text("gen_ai.retrieval.query.text"),
        span.text("rag.query")
    );
}

#[test]
fn off_leaves_nothing_under_either_name() {
    let span = query(policy(Some(Capture::Off), Messages::SpanAndEvent));
    assert_eq!(span.text("rag.query"), None);
    assert_eq!(span.text("gen_ai.retrieval.query.text"), None);
    assert_eq!(span.int("rag.top_k"), Some(5), "what is no content stays");
}

#[test]
fn a_hash_says_the_digest_and_the_length_of_the_whole() {
    let policy = policy(Some(Capture::Hash), Messages::NoContent);
    assert_eq!(
        policy.apply(rag::QUERY.def(), "abc").as_deref(),
        Some("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad length:3")
    );
    let span = query(policy);
    assert!(span.text("rag.query").unwrap().ends_with(" length:150"));
}

#[test]
fn any_length_and_all_of_it_can_be_kept() {
    let span = query(policy(Some(Capture::Truncate(7)), Messages::NoContent));
    assert_eq!(span.text("rag.query"), Some("é".repeat(7).as_str()));
    let span = query(policy(Some(Capture::Full), Messages::NoContent));
    assert_eq!(span.text("rag.query"), Some("é".repeat(150).as_str()));
}

#[test]
fn prompts_go_only_where_they_are_let() {
    for (messages, on_span, in_event) in [
        (Messages::NoContent, None, None),
        (Messages::SpanOnly, Some("a prompt"), None),
        (Messages::EventOnly, None, Some("a prompt")),
        (Messages::SpanAndEvent, Some("a prompt"), Some("a prompt")),
    ] {
        let policy = policy(None, messages);
        assert_eq!(
            policy.event("a prompt").as_deref(),
            in_event,
            "{messages:?}"
        );
        let seen = Recorder::builder("shop").content(policy).build();
        let span = llm::Generate::start_in(seen.telemetry(), "m", 1, 10, false);
        span.input_messages("a prompt").output_messages("a prompt");
        drop(span);
        let span = &seen.spans()[0];
        assert_eq!(span.text("llm.input_messages"), on_span, "{messages:?}");
        assert_eq!(span.text("gen_ai.input.messages"), on_span, "{messages:?}");
        assert_eq!(span.text("llm.output_messages"), on_span, "{messages:?}");
    }
}

#[test]
fn one_policy_governs_prompts_too() {
    let cut = policy(Some(Capture::Truncate(3)), Messages::SpanAndEvent);
    assert_eq!(
        cut.apply(llm::INPUT_MESSAGES.def(), "a prompt").as_deref(),
        Some("a p")
    );
    assert_eq!(cut.event("a prompt").as_deref(), Some("a p"));
    let off = policy(Some(Capture::Off), Messages::SpanAndEvent);
    assert_eq!(off.apply(llm::INPUT_MESSAGES.def(), "a prompt"), None);
    assert_eq!(off.event("a prompt"), None);
}

#[test]
fn the_hook_sees_every_value_before_it_is_cut_or_hashed() {
    fn hook(text: &str) -> Cow<'_, str> {
        Cow::Owned(text.replace("secret", "*"))
    }
    let cut = policy(Some(Capture::Truncate(8)), Messages::EventOnly).redact(hook);
    assert_eq!(
        cut.apply(rag::QUERY.def(), "secret recipe").as_deref(),
        Some("* recipe")
    );
    assert_eq!(cut.event("a secret").as_deref(), Some("a *"));
    let hashed = policy(Some(Capture::Hash), Messages::NoContent).redact(hook);
    assert_eq!(
        hashed.apply(rag::QUERY.def(), "secret"),
        policy(Some(Capture::Hash), Messages::NoContent).apply(rag::QUERY.def(), "*")
    );
}

#[test]
fn under_one_name_only_that_one_carries_content() {
    let seen = Recorder::builder("shop").names(Names::Otel).build();
    rag::RetrieveContext::start_in(seen.telemetry(), 5, 0.5).query("Why?");
    let span = &seen.spans()[0];
    assert_eq!(span.text("gen_ai.retrieval.query.text"), Some("Why?"));
    assert_eq!(span.text("rag.query"), None);
}

#[test]
fn settings_are_read_as_they_are_documented() {
    for (text, capture) in [
        ("off", Capture::Off),
        ("hash", Capture::Hash),
        ("full", Capture::Full),
        (" truncate(250) ", Capture::Truncate(250)),
    ] {
        assert_eq!(text.parse::<Capture>().unwrap(), capture);
    }
    for text in [
        "",
        "none",
        "truncate",
        "truncate()",
        "truncate(-1)",
        "truncate(1",
    ] {
        let error = text.parse::<Capture>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("truncate(n)"), "{error}");
    }
    assert_eq!("span_only".parse::<Messages>().unwrap(), Messages::SpanOnly);
    assert_eq!(
        "EVENT_ONLY".parse::<Messages>().unwrap(),
        Messages::EventOnly
    );
    let error = "true".parse::<Messages>().unwrap_err();
    assert!(error.to_string().contains("NO_CONTENT"), "{error}");
}
