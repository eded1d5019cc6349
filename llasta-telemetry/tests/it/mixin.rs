//! The mixin speaks of what exists.
//!
//! Every metric, label, attribute and field that a dashboard, a rule, an alert, a runbook or a
//! document names is in the schema, or in the list of what others emit, `mixin/foreign.json`. Whether
//! Prometheus and Grafana take the files is `.ci/mixin-check`'s question, and whether the queries find
//! anything `.ci/mixin-live`'s.

mod known;
mod logql;
mod promql;
mod queries;
mod traceql;
mod words;

use self::known::Known;
use self::queries::{Language, Query, Text, queries, texts};

fn breaches(queries: &[Query], known: &Known) -> Vec<String> {
    let mut breaches = Vec::new();
    for query in queries {
        let found = match query.language {
            Language::Prom => promql::breaches(&query.text, known),
            Language::Trace => traceql::breaches(&query.text, known),
            Language::Log => logql::breaches(&query.text),
        };
        breaches.extend(
            found
                .into_iter()
                .map(|breach| format!("{}: {breach}: {}", query.place, query.text)),
        );
    }
    breaches
}

fn breach(language: Language, text: &str) -> String {
    let query = Query {
        place: "here".to_owned(),
        language,
        text: text.to_owned(),
    };
    breaches(&[query], &Known::read().unwrap()).join("\n")
}

#[test]
fn every_query_names_what_exists() {
    let (Some(known), Some(queries)) = (Known::read(), queries()) else {
        println!("not checked: the crate stands alone");
        return;
    };
    for (language, fewest) in [
        (Language::Prom, 300),
        (Language::Trace, 50),
        (Language::Log, 20),
    ] {
        let count = queries
            .iter()
            .filter(|query| query.language == language)
            .count();
        assert!(count >= fewest, "only {count} queries in {language:?}");
    }
    let breaches = breaches(&queries, &known);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn every_word_that_looks_like_a_name_of_ours_is_one() {
    let (Some(known), Some(texts)) = (Known::read(), texts()) else {
        println!("not checked: the crate stands alone");
        return;
    };
    let breaches: Vec<String> = texts
        .iter()
        .flat_map(|Text { place, text }| {
            words::breaches(text, &known)
                .into_iter()
                .map(move |breach| format!("{place}: {breach}"))
        })
        .collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));

    let wrong = |text: &str| !words::breaches(text, &known).is_empty();
    assert!(wrong("`chatbot_request_total` counts"));
    assert!(wrong("the attribute `rag.chunk_sent`"));
    assert!(!wrong(
        "`chatbot_requests_total`, `rag.chunks_sent`, `llm.*`"
    ));
}

#[test]
fn what_others_emit_is_listed_once_and_used() {
    let (Some(known), Some(queries)) = (Known::read(), queries()) else {
        println!("not checked: the crate stands alone");
        return;
    };
    for name in known.foreign() {
        assert!(!known.is_ours(name), "{name} is in the schema");
        let used = queries.iter().any(|query| query.text.contains(name));
        // What the scrape rules rename is used by way of its new name.
        let renamed = name == "vllm:num_requests_waiting";
        assert!(
            used || renamed,
            "{name} is in foreign.json and nowhere else"
        );
    }
}

#[test]
fn a_misspelt_name_in_promql_is_found() {
    if Known::read().is_none() {
        println!("not checked: the crate stands alone");
        return;
    }
    let says = |text, what: &str| {
        let found = breach(Language::Prom, text);
        assert!(found.contains(what), "{text}: {found}");
    };
    says("sum(rate(chatbot_request_total[5m]))", "no metric");
    says("sum(rate(chatbot_rag_chunks_sent[5m]))", "no metric");
    says("sum(rate(faiss_wrap_search_total_bucket[5m]))", "no metric");
    says("kube_pod_status_phases", "no metric");
    says("llasta:slo_errors:ratio_rate7m", "no metric");
    says("chatbot_requests_total{route=\"/api/chat\"}", "no label");
    says("sum by (state) (chatbot_requests_total)", "no label");
    says(
        "sum by (status) (chatbot_requests_total) / on (result) sum by (status) (chatbot_requests_total)",
        "no label",
    );
    says("chatbot_requests_total{status=\"failed\"}", "never");
    says("chatbot_requests_total{status=~\"error|failed\"}", "never");
    says("faiss_wrap_requests_total{endpoint=\"/search\"}", "never");
    says("up{job=\"chatbot\"}", "never");
    says(
        "chatbot_request_duration_seconds_bucket{le=\"30\"}",
        "Prometheus 3",
    );
    says(
        "faiss_wrap_request_latency_seconds_bucket{le=\"0.2\"}",
        "no bucket",
    );
    says("rate(faiss_wrap_index_size[5m])", "no counter");
    says("deriv(faiss_wrap_upserts_total[5m])", "no gauge");
    says(
        "sum(rate(chatbot_requests_total[1m]))",
        "scraped every 60 s",
    );
    says("sum by (le (x)", "does not parse");
    assert_eq!(
        breach(
            Language::Prom,
            "sum by (pod) (rate(chatbot_request_duration_seconds_bucket{le=~\"30([.]0)?\",endpoint=\"/api/chat\"}[5m]))"
        ),
        ""
    );
}

#[test]
fn a_misspelt_name_in_traceql_is_found() {
    if Known::read().is_none() {
        println!("not checked: the crate stands alone");
        return;
    }
    let says = |text, what: &str| {
        let found = breach(Language::Trace, text);
        assert!(found.contains(what), "{text}: {found}");
    };
    says("{ span.rag.chunk_sent > 3 }", "no attribute");
    says("{ resource.service = \"chatbot-rag\" }", "no attribute");
    says("{ name = \"rag.retrieve\" }", "no span");
    says("{ name =~ \"faiss.search|faiss.find\" }", "no span");
    says("{ rootServiceName = \"chatbot\" }", "no service");
    says("{ span.rag.chunks_sent > 3.0 }", "is int");
    says("{ span.rag.score_avg > 0 }", "is double");
    says("{ span.http.response.status_code = \"500\" }", "is int");
    assert_eq!(
        breach(
            Language::Trace,
            "{ name = \"POST /search\" && span.rag.score_avg > 0.5 } | avg_over_time(span.rag.score_avg)"
        ),
        ""
    );
}

#[test]
fn a_misspelt_field_in_logql_is_found() {
    let wrong = |text: &str| !logql::breaches(text).is_empty();
    assert!(wrong("{service=\"chatbot-rag\"}"));
    assert!(wrong(
        "{service_name=\"chatbot-rag\"} | json | traceid=\"1\""
    ));
    assert!(wrong("{service_name=\"chatbot\"}"));
    assert!(wrong(
        "{service_name=\"chatbot-rag\"} | json | level=\"error\""
    ));
    assert!(!wrong(
        "{service_name=\"chatbot-rag\"} | json | level=\"ERROR\" | trace_id=\"x=1\""
    ));
}
