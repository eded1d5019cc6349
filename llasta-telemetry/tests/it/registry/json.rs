use std::collections::BTreeSet;

use llasta_telemetry::Names;
use llasta_telemetry::registry::{self, Format, ReadError};
use llasta_telemetry::schema::{Owner, Schema};
use llasta_telemetry::testing::conform::{self, FindingId};

use super::{merged, own};
use crate::testing_kit::chat_trace::chat_trace;

#[test]
fn what_is_written_reads_back_and_writes_the_same_again() {
    for schema in [Schema::contract(), merged(), own()] {
        let first = registry::json(&schema);
        let read = registry::read(&first).unwrap();
        assert_eq!(registry::json(&read), first);
        assert_eq!(registry::diff(&schema, &read), []);
    }
}

#[test]
fn a_schema_that_was_read_says_everything_that_was_declared() {
    let read = registry::read(&registry::json(&merged())).unwrap();
    let key = read.key("billing.amount").unwrap();
    let declared = super::billing::AMOUNT.def();
    assert_eq!(key, declared);
    assert_eq!(
        read.key("billing.payer").unwrap(),
        super::billing::PAYER.def()
    );
    let namespace = read.namespace_of_key("billing.amount").unwrap();
    assert_eq!(namespace.owner, Owner::Service("till"));
    assert!(
        namespace.declared_at.starts_with("llasta-telemetry/tests/"),
        "{}",
        namespace.declared_at
    );
    let span = read.span("billing.charge").unwrap();
    assert_eq!(
        format!("{span:?}"),
        format!("{:?}", merged().span("billing.charge").unwrap())
    );
    let names = |schema: &Schema| -> Vec<_> {
        schema
            .metrics_of("till")
            .map(|metric| metric.name)
            .collect()
    };
    assert_eq!(names(&read), names(&merged()));
    for metric in merged().metrics() {
        let other = read.metric(metric.name).unwrap();
        assert_eq!(format!("{other:?}"), format!("{metric:?}"));
    }
}

#[test]
fn the_checks_say_the_same_by_a_schema_that_was_read() {
    let (contract, read) = (
        Schema::contract(),
        registry::read(&registry::json(&Schema::contract())).unwrap(),
    );
    let good = chat_trace(Names::Both);
    assert_eq!(conform::spans(&read, &good, Names::Both), []);
    assert_eq!(conform::chat_request(&read, &good), []);
    let mut bad = good;
    for span in &mut bad {
        span.attributes.remove("url.full");
        span.attributes.remove("rag.top_k");
        if span.name == "POST /api/chat" {
            span.name = "GET /elsewhere".to_owned();
        }
    }
    let findings = conform::spans(&read, &bad, Names::Both);
    assert_eq!(findings, conform::spans(&contract, &bad, Names::Both));
    let ids: BTreeSet<_> = findings
        .iter()
        .map(|finding| finding.id.to_string())
        .collect();
    assert!(ids.contains(&FindingId::WrongName.to_string()), "{ids:?}");
    assert!(
        ids.contains(&FindingId::MissingAttribute.to_string()),
        "{ids:?}"
    );
}

#[test]
fn a_schema_that_was_read_merges_with_the_one_it_was_written_from() {
    let read = registry::read(&registry::json(&merged())).unwrap();
    let mut both = Schema::contract();
    both.merge(&read).unwrap();
    assert_eq!(registry::json(&both), registry::json(&merged()));
}

#[test]
fn keys_of_other_declarations_travel_with_the_spans_that_carry_them() {
    let read = registry::read(&registry::json(&own())).unwrap();
    // Not the schema's own, and yet on its span.
    assert!(read.key("rag.top_k").is_none());
    let span = read.span("billing.charge").unwrap();
    let names: Vec<_> = span.attributes.iter().map(|(key, _)| key.name).collect();
    assert!(names.contains(&"rag.top_k"), "{names:?}");
}

#[test]
fn no_folder_of_this_machine_is_written() {
    let text = registry::json(&merged());
    let here = env!("CARGO_MANIFEST_DIR");
    assert!(!text.contains(here));
    assert!(!text.contains("\"declared_at\": \"/"));
}

#[test]
fn what_is_no_schema_is_refused_with_what_to_do() {
    let refused = |text: &str| registry::read(text).unwrap_err();
    assert!(matches!(refused("{"), ReadError::Json(_)));
    assert!(refused("{}").to_string().contains("schema export"));
    let newer = refused(r#"{"format": 2, "new": []}"#);
    assert!(
        matches!(newer, ReadError::Format { found: 2, .. }),
        "{newer}"
    );
    assert!(newer.to_string().contains("format 2"), "{newer}");

    let text = registry::json(&Schema::contract());
    let unknown = refused(&text.replacen("\"key\": \"rag.top_k\"", "\"key\": \"rag.topk\"", 1));
    assert!(matches!(unknown, ReadError::UnknownKey { .. }), "{unknown}");
    assert!(unknown.to_string().contains("rag.topk"), "{unknown}");
    let twice =
        refused(&text.replacen("\"name\": \"rag.min_score\"", "\"name\": \"rag.top_k\"", 1));
    assert!(
        matches!(twice, ReadError::Clash(_) | ReadError::UnknownKey { .. }),
        "{twice}"
    );
}

#[test]
fn twins_that_go_in_a_circle_are_refused() {
    let text = registry::json(&own()).replacen(
        "\"key\": \"gen_ai.retrieval.query.text\"",
        "\"key\": \"billing.payer\"",
        1,
    );
    let error = registry::read(&text).unwrap_err();
    assert!(matches!(error, ReadError::UnknownKey { .. }), "{error}");
}

#[test]
fn every_export_is_the_same_each_time_and_ends_in_a_line_feed() {
    for (name, format) in Format::ALL {
        assert_eq!(format.to_string(), name);
        assert_eq!(name.parse::<Format>().unwrap(), format);
        let files = registry::export(&merged(), format);
        assert_eq!(files, registry::export(&merged(), format));
        assert!(!files.is_empty());
        for file in files {
            assert!(
                file.text.ends_with('\n') && !file.text.ends_with("\n\n"),
                "{}",
                file.path
            );
            assert!(
                !file.text.contains(env!("CARGO_MANIFEST_DIR")),
                "{}",
                file.path
            );
        }
    }
    let refused = "xml".parse::<Format>().unwrap_err().to_string();
    assert!(refused.contains("json-schema"), "{refused}");
}
