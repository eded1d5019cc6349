use jsonschema::Validator;
use llasta_telemetry::Names;
use llasta_telemetry::registry;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::{AttributeValue, CapturedSpan};
use serde_json::{Value, json};

use crate::testing_kit::chat_trace::{chat_trace, find};

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(&registry::json_schema(&Schema::contract())).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

fn valid(validator: &Validator, span: &CapturedSpan) -> bool {
    validator.is_valid(&serde_json::to_value(span).unwrap())
}

#[test]
fn the_spans_of_a_chat_request_are_valid() {
    let validator = validator();
    for names in [Names::Both, Names::Llasta] {
        for span in chat_trace(names) {
            let value = serde_json::to_value(&span).unwrap();
            let errors: Vec<_> = validator
                .iter_errors(&value)
                .map(|e| e.to_string())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", span.name);
        }
    }
}

#[test]
fn a_span_that_lost_any_required_attribute_is_refused() {
    let validator = validator();
    let schema = Schema::contract();
    let mut tried = 0;
    for span in chat_trace(Names::Both) {
        let def = schema.span(&span.name).or_else(|| {
            let mut http = schema.spans().filter(|def| def.name.contains('{'));
            http.find(|def| def.kind.name() == span.kind)
        });
        for (key, presence) in def.unwrap().attributes {
            if *presence == llasta_telemetry::schema::Presence::Optional {
                continue;
            }
            let mut broken = span.clone();
            assert!(broken.attributes.remove(key.name).is_some(), "{}", key.name);
            assert!(
                !valid(&validator, &broken),
                "{} without {}",
                span.name,
                key.name
            );
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn an_attribute_of_another_type_is_refused() {
    let validator = validator();
    for span in chat_trace(Names::Both) {
        for name in span.attributes.keys() {
            let mut broken = span.clone();
            // No attribute of a schema is a list of numbers.
            let other = AttributeValue::Other(json!([1, 2]));
            broken.attributes.insert(name.clone(), other);
            assert!(!valid(&validator, &broken), "{}: {name}", span.name);
        }
    }
}

#[test]
fn broken_spans_are_refused() {
    let validator = validator();
    let broken = |damage: &dyn Fn(&mut Vec<CapturedSpan>)| {
        let mut spans = chat_trace(Names::Both);
        damage(&mut spans);
        spans.iter().any(|span| !valid(&validator, span))
    };
    let text = |text: &str| AttributeValue::String(text.into());
    assert!(!broken(&|_| ()));
    assert!(broken(&|spans| find(
        spans,
        "rag.build_context",
        "INTERNAL"
    )
    .kind = "CLIENT"));
    assert!(broken(&|spans| find(
        spans,
        "rag.build_context",
        "INTERNAL"
    )
    .status = "error"));
    assert!(broken(&|spans| find(
        spans,
        "rag.build_context",
        "INTERNAL"
    )
    .trace_id
    .clear()));
    for (name, value) in [
        ("rag.new", text("unknown in a namespace of ours")),
        ("faiss.top_k", AttributeValue::Int(5)),
        ("http.request.method", text("POST")),
    ] {
        let add = |spans: &mut Vec<CapturedSpan>| {
            let span = find(spans, "rag.build_context", "INTERNAL");
            span.attributes.insert(name.to_owned(), value.clone());
        };
        assert!(broken(&add), "{name}");
    }
    assert!(broken(&|spans| {
        let span = find(spans, "faiss.search", "INTERNAL");
        span.attributes
            .insert("db.system.name".into(), text("postgres"));
    }));
    // Other people's names are theirs.
    assert!(!broken(&|spans| {
        let span = find(spans, "faiss.search", "INTERNAL");
        span.attributes.insert("shop.id".into(), text("7"));
    }));
}

#[test]
fn log_lines_are_told_from_spans_and_checked() {
    let validator = validator();
    let line = json!({
        "timestamp": "2026-11-23T02:11:19.000123Z",
        "level": "INFO",
        "target": "chatbot_rag",
        "message": "answered",
        "service.name": "chatbot-rag",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "status": 200,
    });
    assert!(validator.is_valid(&line));
    let broken = |damage: &dyn Fn(&mut Value)| {
        let mut line = line.clone();
        damage(&mut line);
        !validator.is_valid(&line)
    };
    for field in [
        "level",
        "target",
        "message",
        "service.name",
        "trace_id",
        "span_id",
        "timestamp",
    ] {
        assert!(
            broken(&|line| drop(line.as_object_mut().unwrap().remove(field))),
            "{field}"
        );
    }
    assert!(broken(&|line| line["level"] = json!("info")));
    assert!(broken(
        &|line| line["timestamp"] = json!("2026-11-23 02:11:19")
    ));
    assert!(broken(&|line| line["trace_id"] = json!("0".repeat(32))));
    let without_ids = |line: &mut Value| {
        line.as_object_mut()
            .unwrap()
            .retain(|name, _| !name.ends_with("_id"));
    };
    assert!(!broken(&without_ids));
}
