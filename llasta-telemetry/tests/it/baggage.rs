//! Baggage: read, written, recorded and passed on.

use llasta_telemetry::context::{Scope, baggage, with_baggage};
use llasta_telemetry::log::LineLayer;
use llasta_telemetry::opentelemetry::baggage::{Baggage, BaggageExt};
use llasta_telemetry::opentelemetry::{Context, KeyValue};
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::{Guard, Telemetry};
use tracing_subscriber::layer::SubscriberExt;

use super::support::{Collector, Lines, alone, telemetry};

fn read(header: &str) -> Vec<(String, String, String)> {
    let mut entries: Vec<_> = baggage::parse([header.as_bytes()])
        .iter()
        .flat_map(Baggage::iter)
        .map(|(key, (value, properties))| {
            (
                key.to_string(),
                value.to_string(),
                properties.as_str().to_owned(),
            )
        })
        .collect();
    entries.sort();
    entries
}

fn one(key: &str, value: &str, properties: &str) -> Vec<(String, String, String)> {
    vec![(key.to_owned(), value.to_owned(), properties.to_owned())]
}

#[test]
fn a_member_is_read_as_the_recommendation_says() {
    for (header, value, properties) in [
        ("k=v", "v", ""),
        (" k\t= v ", "v", ""),
        ("k=", "", ""),
        ("k=a=b==", "a=b==", ""),
        ("k=v;ttl=60 ; secret", "v", "ttl=60 ; secret"),
        ("k=%20%C3%BC%2c", " ü,", ""),
        ("k=%ff", "\u{fffd}", ""),
        ("k=first,k=last", "last", ""),
        ("k=v,,", "v", ""),
    ] {
        assert_eq!(read(header), one("k", value, properties), "{header}");
    }
}

#[test]
fn a_member_that_breaks_the_rules_is_skipped_and_the_others_stay() {
    for broken in [
        "",
        "k",
        "=v",
        "a b=v",
        "a\"=v",
        "ä=v",
        "k=a b",
        "k=a\"b\"",
        "k=a\\b",
        "k=ä",
        "k=%",
        "k=%4",
        "k=%zz",
        "k=v;\u{1}",
        ";p=1",
    ] {
        assert_eq!(read(broken), [], "{broken:?}");
        assert!(baggage::parse([broken.as_bytes()]).is_none());
        let between = format!("a=1,{broken},b=2");
        let names: Vec<_> = read(&between).into_iter().map(|entry| entry.0).collect();
        assert_eq!(names, ["a", "b"], "{between:?}");
    }
    assert!(baggage::parse([b"a=\xff".as_slice()]).is_none());
}

#[test]
fn several_headers_are_one() {
    let read = baggage::parse([b"a=1".as_slice(), b"b=2,a=3"]).unwrap();
    assert_eq!(baggage::format(&read).unwrap(), "a=3,b=2");
    assert!(baggage::parse([]).is_none());
}

#[test]
fn what_is_beyond_the_limits_is_left_out_whole() {
    let member = |at: usize| format!("k{at:03}=v");
    let many: Vec<_> = (0..100).map(member).collect();
    let many = many.join(",");
    assert_eq!(read(&many).len(), 64);
    assert_eq!(read(&many)[63].0, "k063");

    let long = format!("a={},b={},c=3", "x".repeat(4000), "y".repeat(4187));
    assert_eq!(long.len(), 8192 + 4);
    let names: Vec<_> = read(&long).into_iter().map(|entry| entry.0).collect();
    assert_eq!(names, ["a", "b"]);

    // Three bytes each when they are written.
    let spaces = " ".repeat(2000);
    let mut wide = Baggage::new();
    wide.insert("a", spaces.clone());
    wide.insert("b", spaces);
    wide.insert("c", "3");
    let header = baggage::format(&wide).unwrap();
    assert!(header.len() < 8192 && header.starts_with("a=%20") && header.ends_with(",c=3"));
    assert!(!header.contains("b="));
}

#[test]
fn what_is_written_is_read_again() {
    let mut original = Baggage::new();
    let value = "a, b; c=\"d\" \\ % ü 🦀\n";
    original.insert_with_metadata("session.id", value, "ttl=60;x");
    original.insert("empty", "");
    let header = baggage::format(&original).unwrap();
    assert!(
        header.bytes().all(|byte| (b'!'..=b'~').contains(&byte)),
        "{header}"
    );
    let again = read(&header);
    assert_eq!(again[0], one("empty", "", "")[0]);
    assert_eq!(again[1], one("session.id", value, "ttl=60;x")[0]);
    assert!(baggage::format(&Baggage::new()).is_none());
    // Properties of other code's making cannot begin another member or another header.
    for nasty in ["x,evil=1", "x\r\nevil: 1"] {
        let mut baggage = Baggage::new();
        baggage.insert_with_metadata("k", "v", nasty);
        assert_eq!(baggage::format(&baggage).unwrap(), "k=v");
    }
}

#[test]
fn entries_of_a_handler_join_those_that_came_in() {
    let incoming = Context::new().with_baggage([
        KeyValue::new("session.id", "old"),
        KeyValue::new("other", "kept"),
    ]);
    let _incoming = incoming.attach();
    let scope = with_baggage([
        ("session.id", "new".to_owned()),
        ("a b", "refused".to_owned()),
    ]);
    let inside = || Context::map_current(|context| baggage::format(context.baggage()));
    assert_eq!(inside().unwrap(), "other=kept,session.id=old");
    {
        let _entered = scope.enter();
        assert_eq!(inside().unwrap(), "other=kept,session.id=new");
    }
    assert_eq!(inside().unwrap(), "other=kept,session.id=old");
}

#[tokio::test]
async fn the_current_span_gets_the_allowed_entries_of_a_handler() {
    let mut collector = Collector::start();
    let (telemetry, _) = telemetry("shop", &collector);
    let span = RetrieveContext::start_in(&telemetry, 5, 0.5);
    span.in_scope(|| {
        let long = "ü".repeat(300);
        let entries = [
            ("gen_ai.conversation.id", "c-17"),
            ("session.id", &long),
            ("secret", "x"),
        ];
        let _ = with_baggage(entries);
    });
    drop(span);
    let span = collector.next().await;
    assert_eq!(span.get("gen_ai.conversation.id"), "c-17");
    assert_eq!(span.get("session.id"), "ü".repeat(256));
    assert!(span.get("secret").is_null());
}

/// The fields of the line that `work` logs.
fn logged(telemetry: &Telemetry, lines: &mut Lines, scope: &Scope, work: impl FnOnce()) -> String {
    let subscriber = tracing_subscriber::registry().with(LineLayer::new(telemetry.clone()));
    let _entered = scope.enter();
    tracing::subscriber::with_default(subscriber, work);
    let mut line = lines.written().unwrap();
    let fields = line.as_object_mut().unwrap();
    for field in ["timestamp", "level", "target", "service.name"] {
        fields.remove(field).unwrap();
    }
    line.to_string()
}

#[test]
fn log_lines_have_the_allowed_entries() {
    let (telemetry, mut lines) = telemetry("shop", &Collector::start());
    let scope = with_baggage([("session.id", "s \"17\""), ("secret", "x")]);
    assert_eq!(
        logged(&telemetry, &mut lines, &scope, || tracing::info!(
            a = 1,
            "hello"
        )),
        r#"{"a":1,"message":"hello","session.id":"s \"17\""}"#
    );
    // What the event says itself goes before it.
    assert_eq!(
        logged(&telemetry, &mut lines, &scope, || {
            tracing::info!(session.id = "own", "hello");
        }),
        r#"{"message":"hello","session.id":"own"}"#
    );
    let none = Scope::current();
    assert_eq!(
        logged(&telemetry, &mut lines, &none, || tracing::info!("hello")),
        r#"{"message":"hello"}"#
    );
}

fn keys(telemetry: &Guard) -> Vec<String> {
    telemetry
        .baggage_keys()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn built(with: impl FnOnce(llasta_telemetry::Builder) -> llasta_telemetry::Builder) -> Guard {
    with(Telemetry::builder("shop")).build().unwrap()
}

#[test]
fn the_allow_list_is_what_code_and_environment_say() {
    let default = ["session.id", "gen_ai.conversation.id"];
    alone(&[("OTEL_TRACES_EXPORTER", "none")], || {
        assert_eq!(keys(&built(|builder| builder)), default);
        let own = built(|builder| builder.baggage_attributes(["tenant", "tenant", "session.id"]));
        assert_eq!(keys(&own), ["tenant", "session.id"]);
        assert!(keys(&built(|builder| builder.baggage_attributes([""; 0]))).is_empty());
        for (name, why) in [
            ("rag.top_k", "uses the name itself"),
            ("llm.anything", "uses the name itself"),
            ("http.route", "uses the name itself"),
            ("service.name", "uses the name itself"),
            ("trace_id", "uses the name itself"),
            ("a b", "letters, digits"),
        ] {
            let builder = Telemetry::builder("shop").baggage_attributes([name]);
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(name), "{error}");
        }
    });
}

#[test]
fn the_variable_says_which_entries_are_recorded() {
    for (list, expected) in [
        (" tenant , session.id,", "tenant session.id"),
        ("none", ""),
        ("", "session.id gen_ai.conversation.id"),
    ] {
        let variables = [
            ("LLASTA_BAGGAGE_ATTRIBUTES", list),
            ("EXPECTED", expected),
            ("OTEL_TRACES_EXPORTER", "none"),
        ];
        let output = alone(&variables, || {
            let expected = std::env::var("EXPECTED").unwrap();
            assert_eq!(keys(&built(|builder| builder)).join(" "), expected);
            let code = built(|builder| builder.baggage_attributes(["of_code"]));
            assert_eq!(keys(&code), ["of_code"]);
        });
        if output.is_none() {
            return;
        }
    }
}
