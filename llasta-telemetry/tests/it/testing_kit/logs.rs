use llasta_telemetry::context;
use llasta_telemetry::line::Level;
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::testing::conform::{self, Finding, FindingId};
use serde_json::{Value, json};

/// One line outside of any span and one inside, as the SDK writes them.
fn lines() -> Vec<String> {
    let seen = Recorder::new("chatbot-rag");
    let write = || {
        let sink = seen.telemetry().lines().expect("a recorder keeps lines");
        sink.write(
            Level::Info,
            "shop::cart",
            "chatbot-rag",
            context::ids(),
            |line| {
                line.message("a \"quoted\" message\n");
                line.integer("chunks", 3);
                line.float("score", f64::NAN);
                line.boolean("cached", true);
            },
        );
    };
    write();
    RetrieveContext::start_in(seen.telemetry(), 5, 0.5).in_scope(write);
    seen.log_lines()
}

fn check(line: &str) -> Vec<Finding> {
    conform::log_lines(&[line])
}

/// Changes the line inside a span.
fn broken(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<Finding> {
    let mut line: Value = serde_json::from_str(&lines()[1]).unwrap();
    change(line.as_object_mut().unwrap());
    check(&line.to_string())
}

#[track_caller]
fn one(findings: &[Finding], id: FindingId, name: &str) {
    let [finding] = findings else {
        panic!("not one finding: {findings:#?}");
    };
    assert_eq!((finding.id, &*finding.name), (id, name), "{finding}");
}

#[test]
fn the_sdks_own_lines_have_no_findings() {
    let lines = lines();
    assert!(!lines[0].contains("trace_id"), "{}", lines[0]);
    assert!(lines[1].contains("trace_id"), "{}", lines[1]);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    assert_eq!(conform::log_lines(&lines), []);
    assert_eq!(broken(|_| ()), []);
}

#[test]
fn each_field_of_every_line_is_missed() {
    for field in [
        "timestamp",
        "level",
        "target",
        "message",
        "service.name",
        "trace_id",
        "span_id",
    ] {
        let findings = broken(|line| drop(line.remove(field).expect("it is there")));
        one(&findings, FindingId::MissingLogField, field);
    }
}

#[test]
fn a_field_that_is_written_otherwise_is_found() {
    for (field, value) in [
        ("timestamp", json!("2026-11-23T02:11:19Z")),
        ("timestamp", json!("2026-11-23T02:11:19.000123+01:00")),
        ("timestamp", json!("2026-13-23T02:11:19.000123Z")),
        ("timestamp", json!("2026-11-23 02:11:19.000123Z")),
        ("timestamp", json!(1_795_399_879)),
        ("level", json!("info")),
        ("level", json!("WARNING")),
        ("target", json!("")),
        ("service.name", json!("")),
        ("message", json!(null)),
        ("trace_id", json!("0af7651916cd43dd8448eb211c80319")),
        ("trace_id", json!("0AF7651916CD43DD8448EB211C80319C")),
        ("trace_id", json!("00000000000000000000000000000000")),
        ("span_id", json!("0af7651916cd43dd8448eb211c80319c")),
        ("span_id", json!(12)),
    ] {
        let findings = broken(|line| drop(line.insert(field.to_owned(), value)));
        one(&findings, FindingId::MalformedLogField, field);
    }
}

#[test]
fn a_line_that_is_no_object_is_found() {
    for line in ["listening on 0.0.0.0:8080", "[1]", "{\"timestamp\":"] {
        one(&check(line), FindingId::Unreadable, "line");
    }
    assert_eq!(check("  "), []);
}

#[test]
fn the_same_fault_in_many_lines_is_one_finding() {
    let late: Vec<_> = (0..50)
        .map(|second| lines()[0].replace(".", &format!("{second}.")))
        .collect();
    let late: Vec<_> = late.iter().map(String::as_str).collect();
    let about: Vec<_> = conform::log_lines(&late)
        .into_iter()
        .map(|finding| finding.name)
        .collect();
    assert!(about.contains(&"timestamp".to_owned()));
    assert!(about.len() <= 2, "{about:?}");
}
