use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome, TokenType};
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::testing::page::{Page, moved};

#[test]
fn the_same_metrics_read_the_same_in_both_formats() {
    let seen = Recorder::new("chatbot-rag");
    let metrics = ChatbotMetrics::register(seen.telemetry().registry());
    metrics
        .requests(ChatEndpoint::Chat, Outcome::Success)
        .add(3);
    metrics.requests_in_flight(ChatEndpoint::Chat).add(-2);
    metrics.rag_chunks_sent().observe(2.0);
    metrics
        .llm_tokens("a \"b\"\\c\nd, e}", TokenType::Prompt)
        .add(7);
    let text = Page::parse(&seen.page_text(Format::Text)).unwrap();
    let mut open = Page::parse(&seen.page_text(Format::OpenMetrics)).unwrap();
    // Only OpenMetrics says the unit.
    let units = |page: &Page| -> Vec<_> {
        let families = page.families.iter();
        families.map(|family| family.unit.clone()).collect()
    };
    assert!(units(&text).iter().all(String::is_empty));
    assert!(units(&open).contains(&"seconds".to_owned()));
    for family in &mut open.families {
        family.unit.clear();
    }
    assert_eq!(text, open);
    let kinds: Vec<_> = text
        .families
        .iter()
        .map(|family| (&*family.name, &*family.kind))
        .collect();
    assert!(
        kinds.contains(&("chatbot_requests_total", "counter")),
        "{kinds:?}"
    );
    assert!(
        kinds.contains(&("chatbot_rag_chunks_sent", "histogram")),
        "{kinds:?}"
    );
    assert_eq!(
        kinds.len(),
        ChatbotMetrics::DEFS.len(),
        "each line found its family: {kinds:?}"
    );
    for (family, def) in text.families.iter().zip(ChatbotMetrics::DEFS) {
        assert_eq!(family.help, def.brief);
    }
    let tokens = text.select("chatbot_llm_tokens_total{type=\"prompt\"}");
    assert_eq!(tokens[0].labels["model"], "a \"b\"\\c\nd, e}");
    assert_eq!(tokens[0].value, 7.0);
    assert_eq!(
        text.value("chatbot_requests_in_flight{endpoint=\"/api/chat\"}"),
        Some(-2.0)
    );
}

#[test]
fn exemplars_are_read_from_openmetrics() {
    let seen = Recorder::new("chatbot-rag");
    let metrics = ChatbotMetrics::register(seen.telemetry().registry());
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.in_scope(|| metrics.rag_chunks_sent().observe(2.0));
    let page = seen.page();
    let bucket = page.select("chatbot_rag_chunks_sent_bucket{le=\"2.0\"}")[0];
    let exemplar = bucket.exemplar.as_ref().expect("the span was sampled");
    assert_eq!(exemplar.labels["trace_id"], span.trace_id().to_string());
    assert_eq!(exemplar.labels["span_id"], span.span_id().to_string());
    assert_eq!(exemplar.value, 2.0);
    assert!(exemplar.timestamp.expect("it has one") > 1.7e9);
    let others = page.samples().filter(|line| line.exemplar.is_some());
    assert_eq!(others.count(), 1);
}

#[test]
fn a_series_selects_by_name_and_some_labels() {
    let page =
        Page::parse("a{x=\"1\",y=\"1\"} 1\na{x=\"1\",y=\"2\"} 2\na{x=\"2\"} 4\nab 8\n").unwrap();
    assert_eq!(page.value("a"), Some(7.0));
    assert_eq!(page.value("a{x=\"1\"}"), Some(3.0));
    assert_eq!(page.value("a{ y=\"2\", x=\"1\" }"), Some(2.0));
    assert_eq!(page.value("a{x=\"3\"}"), None);
    assert_eq!(page.value("a{z=\"1\"}"), None);
    assert_eq!(page.value("a{x=1}"), None, "not written as a series is");
    assert_eq!(page.value("b"), None);
}

#[test]
fn numbers_and_timestamps_are_read_as_the_formats_write_them() {
    let page = Page::parse(
        "a 1.5e-3\nb +Inf\nc -Inf\nd NaN\ne 3 1700000000000\nf{} 2 # {} 1\n\n# a remark\n",
    )
    .unwrap();
    assert_eq!(page.value("a"), Some(0.0015));
    assert_eq!(page.value("b"), Some(f64::INFINITY));
    assert_eq!(page.value("c"), Some(f64::NEG_INFINITY));
    assert!(page.value("d").unwrap().is_nan());
    assert_eq!(page.value("e"), Some(3.0));
    assert!(page.select("f")[0].exemplar.is_some());
}

#[test]
fn a_line_that_is_none_is_named() {
    for (text, line) in [
        ("<html>", 1),
        ("a 1\nb", 2),
        ("a one", 1),
        ("a{x=\"1\" 1", 1),
        ("a{x=1} 1", 1),
        ("a 1 2 3", 1),
        ("{x=\"1\"} 1", 1),
        ("a inf", 1),
        ("a 1 # {x=\"1\"}", 1),
    ] {
        let error = Page::parse(text).expect_err(text);
        assert_eq!(error.line, line, "{text}");
        assert!(error.to_string().contains(&*error.text));
    }
}

#[test]
fn what_moved_is_said_with_its_difference() {
    let before = Page::parse("a{x=\"1\"} 1\nb 5\nsum 0.1\ngone 1\n").unwrap();
    let after = Page::parse("a{x=\"1\"} 3\na{x=\"2\"} 1\nb 5\nsum 0.4\nzero 0\n").unwrap();
    let moved = moved(&before, &after);
    let texts: Vec<_> = moved.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["a{x=\"1\"} +2", "a{x=\"2\"} +1", "sum +0.3"]);
    assert_eq!((moved[0].before, moved[0].after), (1.0, 3.0));
    assert_eq!(moved[1].difference(), 1.0);
}
