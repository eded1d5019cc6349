use llasta_telemetry::Names;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::AttributeValue::{Bool, Double, Int, String as Text, Strings};
use llasta_telemetry::testing::conform::{self, FindingId, Level};
use llasta_telemetry::testing::{AttributeValue, CapturedSpan};

use super::chat_trace::{chat_trace, find};

/// Breaks one span of a correct capture and says what was found.
fn broken(name: &str, kind: &str, damage: impl FnOnce(&mut CapturedSpan)) -> Vec<conform::Finding> {
    let mut spans = chat_trace(Names::Both);
    damage(find(&mut spans, name, kind));
    conform::spans(&Schema::contract(), &spans, Names::Both)
}

#[track_caller]
fn only(findings: &[conform::Finding], id: FindingId, about: &str) {
    assert!(!findings.is_empty(), "nothing was found");
    for finding in findings {
        assert_eq!(finding.id, id, "{finding}");
        let text = finding.to_string();
        assert!(text.contains(about), "`{text}` does not name `{about}`");
        assert!(!text.contains('\n'));
    }
}

fn set(name: &'static str, value: AttributeValue) -> impl FnOnce(&mut CapturedSpan) {
    move |span| {
        span.attributes.insert(name.to_owned(), value);
    }
}

fn unset(name: &'static str) -> impl FnOnce(&mut CapturedSpan) {
    move |span| {
        span.attributes
            .remove(name)
            .unwrap_or_else(|| panic!("`{name}` was not there"));
    }
}

#[test]
fn a_correct_capture_has_no_findings_under_any_names() {
    for names in [Names::Both, Names::Llasta, Names::Otel] {
        let spans = chat_trace(names);
        let findings = conform::spans(&Schema::contract(), &spans, names);
        assert_eq!(findings, [], "{names:?}");
    }
}

#[test]
fn every_attribute_that_is_always_present_is_missed() {
    let schema = Schema::contract();
    let mut missed = 0;
    for def in schema.spans().filter(|def| !def.name.contains('{')) {
        for (key, presence) in def.attributes {
            if *presence != llasta_telemetry::schema::Presence::Optional {
                let findings = broken(def.name, "INTERNAL", |span| {
                    span.attributes
                        .remove(key.name)
                        .expect("it is always there");
                });
                only(&findings, FindingId::MissingAttribute, key.name);
                missed += 1;
            }
        }
    }
    assert_eq!(missed, 28);
}

#[test]
fn a_required_http_attribute_is_missed() {
    for (kind, name) in [
        ("SERVER", "http.request.method"),
        ("SERVER", "url.path"),
        ("SERVER", "url.scheme"),
        ("CLIENT", "url.full"),
        ("CLIENT", "server.address"),
        ("CLIENT", "server.port"),
        ("CLIENT", "http.response.status_code"),
    ] {
        let findings = broken("POST /search", kind, unset(name));
        only(&findings, FindingId::MissingAttribute, name);
    }
}

#[test]
fn a_client_span_without_a_template_would_be_renamed() {
    let findings = broken("POST /search", "CLIENT", |span| {
        span.attributes.remove("url.template");
        span.name = "POST".to_owned();
    });
    only(&findings, FindingId::MissingAttribute, "url.template");
}

#[test]
fn a_value_of_another_type_is_found_whichever_attribute_it_is() {
    for (name, attribute, value) in [
        ("rag.build_context", "rag.chunks_sent", Double(4.0)),
        ("rag.build_context", "rag.chunks_sent", Text("4".into())),
        ("rag.retrieve_context", "rag.min_score", Int(0)),
        ("faiss.search", "faiss.score_max", Text("0.9".into())),
        ("vllm.response", "llm.has_thinking", Text("true".into())),
        ("faiss.embed_query", "url.path", Strings(vec![])),
    ] {
        let findings = broken(name, "INTERNAL", set(attribute, value));
        only(&findings, FindingId::TypeMismatch, attribute);
    }
    let code = set("http.response.status_code", Text("200".into()));
    let findings = broken("POST /search", "SERVER", code);
    only(
        &findings,
        FindingId::TypeMismatch,
        "http.response.status_code",
    );
}

#[test]
fn an_attribute_nobody_declared_is_found_in_our_namespaces_only() {
    let findings = broken("faiss.search", "INTERNAL", set("faiss.nprobe", Int(8)));
    only(&findings, FindingId::UnknownAttribute, "faiss.nprobe");
    let findings = broken(
        "POST /search",
        "SERVER",
        set("llm.mood", Text("good".into())),
    );
    only(&findings, FindingId::UnknownAttribute, "llm.mood");
    let findings = broken("faiss.search", "INTERNAL", set("tenant.id", Int(8)));
    assert_eq!(findings, []);
}

#[test]
fn an_attribute_of_another_span_is_found() {
    let findings = broken(
        "rag.build_context",
        "INTERNAL",
        set("rag.results_raw_count", Int(5)),
    );
    only(
        &findings,
        FindingId::UnknownAttribute,
        "rag.results_raw_count",
    );
}

#[test]
fn the_method_belongs_on_http_spans_alone() {
    let method = set("http.request.method", Text("POST".into()));
    let findings = broken("vllm.generate", "INTERNAL", method);
    only(&findings, FindingId::ForbiddenAttribute, "vllm.generate");
}

#[test]
fn a_span_of_another_kind_is_found() {
    let findings = broken("faiss.embed_query", "INTERNAL", |span| span.kind = "CLIENT");
    only(&findings, FindingId::WrongKind, "faiss.embed_query");
    let findings = broken("POST /search", "CLIENT", |span| span.kind = "INTERNAL");
    assert!(
        findings
            .iter()
            .any(|finding| finding.id == FindingId::WrongKind)
    );
}

#[test]
fn a_span_under_another_parent_is_found() {
    let spans = chat_trace(Names::Both);
    let id = |name: &str, kind: &str| {
        let mut spans = spans.clone();
        find(&mut spans, name, kind).span_id.clone()
    };
    for (name, parent) in [
        ("faiss.embed_query", id("faiss.index_search", "INTERNAL")),
        ("rag.build_context", id("rag.retrieve_context", "INTERNAL")),
        ("vllm.response", id("POST /api/chat", "SERVER")),
        // A SERVER span, as it must be, but of the other service.
        ("rag.build_context", id("POST /search", "SERVER")),
        // Nobody that was captured.
        ("faiss.search", "00000000000000ff".to_owned()),
    ] {
        let findings = broken(name, "INTERNAL", |span| span.parent_span_id = Some(parent));
        only(&findings, FindingId::WrongParent, name);
    }
    let findings = broken("faiss.search", "INTERNAL", |span| {
        span.parent_span_id = None;
    });
    only(
        &findings,
        FindingId::WrongParent,
        "begins a trace of its own",
    );
    let server = id("rag.retrieve_context", "INTERNAL");
    let findings = broken("POST /search", "SERVER", |span| {
        span.parent_span_id = Some(server);
    });
    only(&findings, FindingId::WrongParent, "POST /search");
}

#[test]
fn a_server_span_may_begin_a_trace_or_stand_under_a_caller_elsewhere() {
    let elsewhere = Some("00000000000000ff".to_owned());
    let findings = broken("POST /api/chat", "SERVER", |span| {
        span.parent_span_id = elsewhere;
    });
    assert_eq!(findings, []);
}

#[test]
fn an_internal_span_with_a_name_in_our_namespaces_must_be_declared() {
    let findings = broken("rag.build_context", "INTERNAL", |span| {
        span.name = "rag.build_contxt".to_owned();
        span.attributes.clear();
    });
    only(&findings, FindingId::UndeclaredSpan, "rag.build_contxt");
    let findings = broken("rag.build_context", "INTERNAL", |span| {
        span.name = "tokenizer.load".to_owned();
        span.attributes.clear();
    });
    assert_eq!(findings, []);
}

#[test]
fn opentelemetry_names_go_with_ours_and_say_the_same() {
    for (name, twin) in [
        ("rag.retrieve_context", "gen_ai.retrieval.top_k"),
        ("rag.retrieve_context", "gen_ai.retrieval.query.text"),
        ("rag.retrieve_context", "gen_ai.operation.name"),
        ("vllm.generate", "gen_ai.request.model"),
        ("vllm.generate", "gen_ai.provider.name"),
        ("vllm.generate", "gen_ai.request.stream"),
        ("vllm.generate", "gen_ai.response.finish_reasons"),
        ("vllm.generate", "gen_ai.usage.input_tokens"),
        ("faiss.embed_query", "gen_ai.embeddings.dimension.count"),
        ("faiss.search", "db.system.name"),
        ("faiss.search", "db.response.returned_rows"),
    ] {
        only(
            &broken(name, "INTERNAL", unset(twin)),
            FindingId::MissingAttribute,
            twin,
        );
    }
    let other = set("gen_ai.retrieval.top_k", Int(6));
    let findings = broken("rag.retrieve_context", "INTERNAL", other);
    only(&findings, FindingId::WrongValue, "gen_ai.retrieval.top_k");
    let other = set("gen_ai.operation.name", Text("text_completion".into()));
    let findings = broken("vllm.generate", "INTERNAL", other);
    only(&findings, FindingId::WrongValue, "gen_ai.operation.name");
    let findings = broken("rag.retrieve_context", "INTERNAL", unset("rag.query"));
    only(&findings, FindingId::MissingAttribute, "rag.query");
}

#[test]
fn the_names_asked_for_are_the_names_looked_for() {
    let find = |written, asked| conform::spans(&Schema::contract(), &chat_trace(written), asked);
    assert!(!find(Names::Llasta, Names::Both).is_empty());
    assert!(!find(Names::Llasta, Names::Otel).is_empty());
    assert!(!find(Names::Otel, Names::Llasta).is_empty());
    // Whoever writes both has written either.
    assert_eq!(find(Names::Both, Names::Llasta), []);
    assert_eq!(find(Names::Both, Names::Otel), []);
}

#[test]
fn an_http_span_is_named_by_its_attributes() {
    let path = |span: &mut CapturedSpan| span.name = "POST /search?q=1".to_owned();
    only(
        &broken("POST /search", "SERVER", path),
        FindingId::WrongName,
        "POST /search",
    );
    only(
        &broken("POST /search", "CLIENT", path),
        FindingId::WrongName,
        "POST /search",
    );
    // Without a route, the method is the name.
    let findings = broken("POST /search", "SERVER", |span| {
        span.attributes.remove("http.route");
        span.name = "POST".to_owned();
        span.attributes
            .insert("http.response.status_code".into(), Int(404));
    });
    assert!(
        findings
            .iter()
            .all(|finding| finding.id != FindingId::WrongName)
    );
}

#[test]
fn a_method_that_is_none_is_other() {
    let findings = broken("POST /search", "SERVER", |span| {
        span.name = "BREW /search".to_owned();
        span.attributes
            .insert("http.request.method".into(), Text("BREW".into()));
    });
    only(&findings, FindingId::WrongValue, "_OTHER");
}

#[test]
fn the_status_follows_the_code_by_the_side_it_is_seen_from() {
    let answer = |kind: &str, code: i64, status: &'static str| {
        broken("POST /search", kind, |span| {
            span.attributes
                .insert("http.response.status_code".into(), Int(code));
            span.status = status;
            if status == "error" {
                span.attributes
                    .insert("error.type".into(), Text(code.to_string()));
            }
        })
    };
    assert_eq!(answer("SERVER", 404, "unset"), []);
    assert_eq!(answer("SERVER", 503, "error"), []);
    assert_eq!(answer("CLIENT", 404, "error"), []);
    only(
        &answer("SERVER", 503, "unset"),
        FindingId::WrongStatus,
        "503",
    );
    only(
        &answer("SERVER", 404, "error"),
        FindingId::WrongStatus,
        "404",
    );
    only(
        &answer("CLIENT", 404, "unset"),
        FindingId::WrongStatus,
        "404",
    );
}

#[test]
fn a_failed_span_says_why_in_a_word_and_a_hundred_characters() {
    let findings = broken("faiss.search", "INTERNAL", |span| span.status = "error");
    only(&findings, FindingId::MissingAttribute, "error.type");
    let findings = broken("faiss.search", "INTERNAL", |span| {
        span.status = "error";
        span.attributes
            .insert("error.type".into(), Text("timeout".into()));
        span.attributes
            .insert("error.message".into(), Text("é".repeat(100)));
    });
    assert_eq!(findings, []);
    let long = set("error.message", Text("é".repeat(101)));
    only(
        &broken("faiss.search", "INTERNAL", long),
        FindingId::WrongValue,
        "error.message",
    );
}

#[test]
fn credentials_in_an_address_are_found() {
    let url = |url: &str| set("url.full", Text(url.into()));
    let findings = broken(
        "POST /search",
        "CLIENT",
        url("http://me:secret@faiss-wrap:9000/search"),
    );
    only(&findings, FindingId::WrongValue, "url.full");
    assert!(!findings[0].to_string().contains("secret"));
    let redacted = url("http://REDACTED:REDACTED@faiss-wrap:9000/search?mail=a@b");
    assert_eq!(broken("POST /search", "CLIENT", redacted), []);
}

#[test]
fn a_service_without_a_name_or_a_version_is_a_violation() {
    let mut spans = chat_trace(Names::Both);
    for span in &mut spans {
        span.resource.remove("service.name");
        span.service.clear();
    }
    let findings = conform::spans(&Schema::contract(), &spans, Names::Both);
    only(&findings, FindingId::MissingAttribute, "service.name");
    assert!(
        findings
            .iter()
            .all(|finding| finding.level == Level::Violation)
    );

    let mut spans = chat_trace(Names::Both);
    spans[0].resource.remove("service.version");
    let findings = conform::spans(&Schema::contract(), &spans, Names::Both);
    only(&findings, FindingId::MissingAttribute, "service.version");
    assert_eq!(findings[0].level, Level::Violation);
}

#[test]
fn the_same_difference_on_many_spans_is_one_finding() {
    let mut spans = chat_trace(Names::Both);
    for span in &mut spans {
        span.attributes.insert("rag.top_k".into(), Bool(true));
    }
    let findings = conform::spans(&Schema::contract(), &spans, Names::Both);
    let on_search = findings
        .iter()
        .filter(|finding| finding.name == "POST /search");
    // Two spans of that name, each with a wrong type and an attribute that is not theirs.
    assert_eq!(on_search.count(), 2);
}

#[test]
fn a_finding_is_json_with_the_words_of_the_report() {
    let findings = broken("faiss.search", "INTERNAL", unset("faiss.top_k"));
    let json = serde_json::to_value(&findings[0]).unwrap();
    assert_eq!(json["id"], "missing_attribute");
    assert_eq!(json["level"], "violation");
    assert_eq!(json["signal"], "span");
    assert_eq!(json["name"], "faiss.search");
    assert_eq!(
        findings[0].to_string(),
        "violation: span `faiss.search`: `faiss.top_k` is missing (missing_attribute): \
         set it on every span of this name"
    );
}
