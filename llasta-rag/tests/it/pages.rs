//! The metrics pages of the three services are the contract's, and take no label from outside.

use axum::Router;
use axum::body::Body;
use llasta_rag::service::llm::{self, LlmConfig};
use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::faiss_wrap::FaissWrapMetrics;
use llasta_telemetry::schema::vllm::VllmMetrics;
use llasta_telemetry::schema::{MetricDef, Schema};
use llasta_telemetry::testing::page::Page;
use llasta_telemetry::testing::{Recorder, conform};
use serde_json::json;

use crate::support::{Chat, Index, Served, call, get, post, question, raw};

/// A service, how it is watched, and the metrics of its own.
type Service = (Router, Recorder, &'static [MetricDef]);

/// The three services with each other as neighbours.
async fn services() -> (Vec<Service>, Chat, Served) {
    let seen = Recorder::new("vllm");
    let config = LlmConfig {
        model: "stand-in".to_owned(),
        token_delay: std::time::Duration::ZERO,
        concurrency: 4,
        max_body_bytes: 1 << 20,
    };
    let app = llm::router(config, seen.telemetry());
    let served = Served::new(app.clone()).await;
    let chat = Chat::new(&served.url, |_| {}).await;
    let index: &Index = &chat.index;
    let services = vec![
        (chat.app.clone(), chat.seen.clone(), ChatbotMetrics::DEFS),
        (
            index.app.clone(),
            index.seen.clone(),
            FaissWrapMetrics::DEFS,
        ),
        (app, seen, VllmMetrics::DEFS),
    ];
    (services, chat, served)
}

fn conforms(page: &str, own: &[MetricDef]) {
    let names: Vec<_> = own.iter().map(|metric| metric.name).collect();
    let findings = conform::metrics(&Schema::contract(), page, &names);
    assert_eq!(findings, []);
}

#[tokio::test]
async fn every_documented_metric_is_there_before_and_after_traffic() {
    let (services, chat, _served) = services().await;
    for traffic in [false, true] {
        if traffic {
            for stream in [false, true] {
                chat.ask(&question(stream)).await;
            }
            for (app, ..) in &services {
                call(app, get("/health")).await;
                call(app, raw("POST", "/reset", None, Body::empty())).await;
            }
        }
        for (app, seen, own) in &services {
            for (accept, format) in [
                ("text/plain", Format::Text),
                (
                    "application/openmetrics-text; version=1.0.0",
                    Format::OpenMetrics,
                ),
            ] {
                let mut request = get("/metrics");
                request
                    .headers_mut()
                    .insert("accept", accept.parse().unwrap());
                let page = call(app, request).await;
                assert_eq!(page.header("content-type"), format.content_type());
                conforms(&page.text, own);
                Page::parse(&page.text).unwrap();
            }
            conforms(&seen.page_text(Format::Text), own);
        }
    }
    let asked = chat.count("chatbot_requests_total{endpoint=\"/api/chat\"}");
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn no_label_comes_from_outside() {
    let (services, ..) = services().await;
    // The letters are in no name of ours.
    let strange = |number: u32| format!("zqx{number}");
    for (app, seen, _) in &services {
        let series = |page: &Page| {
            let mut all: Vec<_> = page
                .samples()
                .map(|line| (line.name.clone(), line.labels.clone()))
                .collect();
            all.sort();
            all
        };
        let before = series(&seen.page());
        for number in 0..100 {
            let word = strange(number);
            let path = match number % 4 {
                0 => format!("/{word}"),
                1 => format!("/api/{word}?{word}={word}"),
                2 => format!("/search/{word}/%2e%2e/{word}"),
                _ => format!("/health/{word}"),
            };
            let method = match number % 3 {
                0 => "GET",
                1 => "POST",
                _ => "ZQX",
            };
            let mut request = raw(method, &path, Some(&format!("text/{word}")), Body::empty());
            let headers = request.headers_mut();
            headers.insert("host", word.parse().unwrap());
            headers.insert("user-agent", word.parse().unwrap());
            assert_eq!(call(app, request).await.status, 404, "{path}");
        }
        // A model that was never heard of.
        let body = json!({"model": "zqx", "messages": [{"role": "user", "content": "zqx"}]});
        for path in ["/api/chat", "/v1/chat/completions", "/upsert", "/search"] {
            call(app, post(path, &body)).await;
        }
        let page = seen.page_text(Format::Text);
        assert!(!page.contains("zqx"), "{page}");
        assert_eq!(series(&seen.page()), before);
        if let Some(counter) = ["chatbot", "faiss_wrap"]
            .map(|service| format!("{service}_requests_total{{endpoint=\"unmatched\"}}"))
            .iter()
            .find_map(|series| seen.counter(series))
        {
            assert!(counter >= 100, "{counter}");
        }
    }
}
