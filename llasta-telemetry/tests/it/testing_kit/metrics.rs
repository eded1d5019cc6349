use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::faiss_wrap::FaissWrapMetrics;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome, TokenType};
use llasta_telemetry::schema::vllm::VllmMetrics;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::testing::conform::{self, Finding, FindingId};

fn names() -> Vec<&'static str> {
    [
        ChatbotMetrics::DEFS,
        FaissWrapMetrics::DEFS,
        VllmMetrics::DEFS,
    ]
    .into_iter()
    .flatten()
    .map(|def| def.name)
    .collect()
}

/// The pages of all three services as one, after a request.
fn page(format: Format) -> String {
    let seen = Recorder::new("chatbot-rag");
    let registry = seen.telemetry().registry();
    let chatbot = ChatbotMetrics::register(registry);
    FaissWrapMetrics::register(registry);
    let vllm = VllmMetrics::register(registry);
    chatbot.requests(ChatEndpoint::Chat, Outcome::Success).inc();
    chatbot.rag_chunks_sent().observe(2.0);
    chatbot
        .llm_tokens("Qwen/Qwen3-8B", TokenType::Prompt)
        .add(250);
    chatbot
        .llm_time_to_first_token("Qwen/Qwen3-8B")
        .observe(0.2);
    vllm.queue_size("Qwen/Qwen3-8B").set(0);
    seen.page_text(format)
}

fn check(page: &str) -> Vec<Finding> {
    conform::metrics(&Schema::contract(), page, &names())
}

/// Changes the page, which must change.
fn broken(change: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let page = page(Format::Text);
    let changed: String = page.lines().filter_map(change).collect();
    assert_ne!(page, changed, "nothing was broken");
    check(&changed)
}

fn kept(line: &str) -> Option<String> {
    Some(format!("{line}\n"))
}

#[track_caller]
fn only(findings: &[Finding], id: FindingId, name: &str) {
    assert!(!findings.is_empty(), "nothing was found");
    for finding in findings {
        assert_eq!((finding.id, &*finding.name), (id, name), "{finding}");
    }
}

#[test]
fn a_correct_page_has_no_findings_in_either_format() {
    assert_eq!(check(&page(Format::Text)), []);
    assert_eq!(check(&page(Format::OpenMetrics)), []);
}

#[test]
fn every_listed_metric_is_missed() {
    for name in names() {
        let findings = broken(|line| {
            let of =
                |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let suffixes = ["", "_bucket", "_sum", "_count"];
            let gone = suffixes.iter().any(|suffix| {
                let full = format!("{name}{suffix}");
                let line = line
                    .trim_start_matches("# HELP ")
                    .trim_start_matches("# TYPE ");
                line.strip_prefix(&full).is_some_and(of)
            });
            if gone { None } else { kept(line) }
        });
        only(&findings, FindingId::MissingMetric, name);
    }
}

#[test]
fn a_name_that_ends_in_a_star_asks_for_any_that_begins_so() {
    let page = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1\n";
    let check = |page| conform::metrics(&Schema::contract(), page, &["process_*"]);
    assert_eq!(check(page), []);
    only(&check(""), FindingId::MissingMetric, "process_*");
}

#[test]
fn a_name_nobody_declared_cannot_be_asked_for() {
    let findings = conform::metrics(&Schema::contract(), "", &["chatbot_smiles_total"]);
    only(&findings, FindingId::MissingMetric, "chatbot_smiles_total");
}

#[test]
fn a_counter_without_its_suffix_is_missed_and_named() {
    let findings =
        broken(|line| kept(&line.replace("chatbot_rag_chunks_total", "chatbot_rag_chunks")));
    only(
        &findings,
        FindingId::MissingMetric,
        "chatbot_rag_chunks_total",
    );
    assert!(findings[0].message.contains("ends in `_total`"));
}

#[test]
fn a_metric_of_another_type_is_found() {
    for (line_before, after, name) in [
        (
            "chatbot_rag_chunks_total counter",
            "chatbot_rag_chunks_total gauge",
            "chatbot_rag_chunks_total",
        ),
        (
            "chatbot_requests_in_flight gauge",
            "chatbot_requests_in_flight counter",
            "chatbot_requests_in_flight",
        ),
        (
            "vllm_queue_size gauge",
            "vllm_queue_size untyped",
            "vllm_queue_size",
        ),
    ] {
        let findings = broken(|line| kept(&line.replace(line_before, after)));
        only(&findings, FindingId::WrongInstrument, name);
    }
    let findings = broken(|line| {
        if line == "# TYPE faiss_wrap_index_size gauge" {
            None
        } else {
            kept(line)
        }
    });
    only(
        &findings,
        FindingId::WrongInstrument,
        "faiss_wrap_index_size",
    );
}

#[test]
fn a_label_too_many_is_found() {
    let findings = broken(|line| {
        kept(&line.replace(
            "chatbot_vllm_requests_total{",
            "chatbot_vllm_requests_total{pod=\"a\",",
        ))
    });
    only(
        &findings,
        FindingId::UndeclaredLabel,
        "chatbot_vllm_requests_total",
    );
    let findings = broken(|line| {
        kept(&line.replace(
            "chatbot_rag_chunks_sent_sum",
            "chatbot_rag_chunks_sent_sum{le=\"1\"}",
        ))
    });
    assert!(
        findings
            .iter()
            .any(|finding| finding.id == FindingId::UndeclaredLabel)
    );
}

#[test]
fn a_label_that_is_not_there_is_found() {
    let findings = broken(|line| {
        kept(&line.replace(
            "vllm_queue_size{model_name=\"Qwen/Qwen3-8B\"}",
            "vllm_queue_size",
        ))
    });
    only(&findings, FindingId::MissingLabel, "vllm_queue_size");
}

#[test]
fn a_label_value_outside_the_closed_set_is_found() {
    let findings = broken(|line| {
        let new = "chatbot_vllm_requests_total{status=\"ok\"} 1";
        if line.starts_with("chatbot_vllm_requests_total{status=\"error\"}") {
            kept(&format!("{line}\n{new}"))
        } else {
            kept(line)
        }
    });
    only(
        &findings,
        FindingId::UndeclaredLabelValue,
        "chatbot_vllm_requests_total",
    );
}

#[test]
fn a_series_of_a_closed_set_that_is_not_there_is_found() {
    for (start, name) in [
        (
            "chatbot_requests_total{endpoint=\"/health\",status=\"cancelled\"}",
            "chatbot_requests_total",
        ),
        (
            "chatbot_llm_tokens_total{model=\"Qwen/Qwen3-8B\",type=\"completion\"}",
            "chatbot_llm_tokens_total",
        ),
        ("chatbot_rag_chunks_sent_sum", "chatbot_rag_chunks_sent"),
        ("faiss_wrap_index_size ", "faiss_wrap_index_size"),
    ] {
        let findings = broken(|line| {
            if line.starts_with(start) {
                None
            } else {
                kept(line)
            }
        });
        only(&findings, FindingId::MissingSeries, name);
    }
}

#[test]
fn other_buckets_are_found() {
    let gone = broken(|line| {
        if line.starts_with("chatbot_rag_chunks_sent_bucket{le=\"20.0\"}") {
            None
        } else {
            kept(line)
        }
    });
    only(&gone, FindingId::WrongBuckets, "chatbot_rag_chunks_sent");
    let other = broken(|line| kept(&line.replace("le=\"300.0\"", "le=\"250.0\"")));
    assert!(
        other
            .iter()
            .all(|finding| finding.id == FindingId::WrongBuckets)
    );
    assert_eq!(other.len(), 3, "each with series up to 300 s: {other:#?}");
    // A library may write whole numbers without a point.
    let same = broken(|line| kept(&line.replace("le=\"300.0\"", "le=\"300\"")));
    assert_eq!(same, []);
}

#[test]
fn a_metric_nobody_declared_is_found_in_our_namespaces_only() {
    let add = |text: &str| check(&(page(Format::Text) + text));
    only(
        &add("# TYPE chatbot_smiles_total counter\nchatbot_smiles_total 1\n"),
        FindingId::UndeclaredMetric,
        "chatbot_smiles_total",
    );
    assert_eq!(
        add("# TYPE shop_smiles_total counter\nshop_smiles_total 1\n"),
        []
    );
    // What Python's client library adds to a counter.
    let created = "# TYPE chatbot_rag_chunks_created gauge\nchatbot_rag_chunks_created 1.7e9\n";
    assert_eq!(add(created), []);
}

#[test]
fn a_page_that_is_none_is_found() {
    only(&check("<html>"), FindingId::Unreadable, "page");
}
