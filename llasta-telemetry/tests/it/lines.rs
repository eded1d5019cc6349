//! What a line can hold, and where lines go.

use std::fmt;
use std::process::Output;

use llasta_telemetry::Telemetry;
use llasta_telemetry::line::{Level, LineSink, Style};
use llasta_telemetry::log::LineLayer;
use serde_json::{Value, json};
use tracing::{info, warn};
use tracing_subscriber::layer::SubscriberExt;

use super::support::{Collector, Lines, alone, telemetry};

/// Says itself by `Debug` only, and not nicely.
struct Awkward;

impl fmt::Debug for Awkward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a \"quoted\"\tthing")
    }
}

#[test]
fn every_value_survives_as_what_it_is() {
    let collector = Collector::start();
    let (telemetry, mut lines) = telemetry("svc", &collector);
    let nasty =
        "\"quotes\" \\ back\\slash \n\r\t \u{0}\u{1}\u{8}\u{1b}\u{1f}\u{7f} Übung 🦀 \u{2028}";
    let layer = LineLayer::new(telemetry.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info!(
            nasty,
            "name with \"quotes\"" = 1,
            minus = -3_i64,
            most = i64::MAX,
            more = u64::MAX,
            third = 0.25,
            nothing = f64::NAN,
            endless = f64::INFINITY,
            yes = true,
            awkward = ?Awkward,
            shown = %"displayed",
            error = &std::io::Error::other("broken \"pipe\"") as &dyn std::error::Error,
            "{nasty}"
        );
    });
    let line = lines.written().unwrap();
    for (name, value) in [
        ("message", json!(nasty)),
        ("nasty", json!(nasty)),
        ("name with \"quotes\"", json!(1)),
        ("minus", json!(-3)),
        ("most", json!(i64::MAX)),
        ("more", json!("18446744073709551615")),
        ("third", json!(0.25)),
        ("nothing", Value::Null),
        ("endless", Value::Null),
        ("yes", json!(true)),
        ("awkward", json!("a \"quoted\"\tthing")),
        ("shown", json!("displayed")),
        ("error", json!("broken \"pipe\"")),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
}

#[test]
fn a_value_that_logs_while_it_is_logged_makes_two_whole_lines() {
    let (sink, mut lines) = Lines::new();
    let ids = llasta_telemetry::context::ids();
    sink.write(Level::Info, "t", "svc", ids, |line| {
        line.message("outer");
        sink.write(Level::Info, "t", "svc", ids, |line| {
            line.text("inner", "chatty");
        });
    });
    let (inner, outer) = (lines.written().unwrap(), lines.written().unwrap());
    assert_eq!(inner["inner"], "chatty");
    assert_eq!(outer["message"], "outer");
    assert!(outer["inner"].is_null());
}

#[test]
fn pretty_lines_are_for_people() {
    let (send, lines) = std::sync::mpsc::channel();
    let sink = LineSink::new(Style::Pretty, move |line| {
        send.send(line.to_owned()).unwrap();
    });
    let ids = llasta_telemetry::context::ids();
    sink.write(Level::Warn, "shop", "svc", ids, |line| {
        line.message("low on coins");
        line.integer("coins", 3);
    });
    let line = lines.recv().unwrap();
    assert!(
        line.contains(" WARN") && line.contains("low on coins"),
        "{line}"
    );
    assert!(line.ends_with("\u{1b}[0m\n"), "{line:?}");
}

/// The lines of JSON that a process wrote. The first one stands behind the name of the test.
fn json_lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok())
        .collect()
}

#[test]
fn lines_go_to_standard_output_as_json_unless_somebody_asks_for_pretty_ones() {
    for (style, json) in [("", true), ("json", true), ("pretty", false)] {
        let variables = [
            ("LLASTA_LOG_FORMAT", style),
            ("OTEL_TRACES_EXPORTER", "none"),
        ];
        let output = alone(&variables, || {
            let _telemetry = Telemetry::builder("svc").install().unwrap();
        });
        let Some(output) = output else { return };
        let lines = json_lines(&output);
        let found = lines
            .iter()
            .any(|line| line["message"] == "OTLP endpoint: none, spans are not exported");
        assert_eq!(found, json, "{style}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("OTLP endpoint: "));
    }
}

#[test]
fn the_filter_says_which_events_become_lines() {
    let events = || {
        let _telemetry = Telemetry::builder("svc").install().unwrap();
        info!("quiet");
        warn!("loud");
        tracing::debug!(target: "shop", "chatter");
    };
    for (variables, messages) in [
        (
            [("LLASTA_LOG", ""), ("RUST_LOG", "")],
            &["quiet", "loud"][..],
        ),
        ([("LLASTA_LOG", "warn"), ("RUST_LOG", "trace")], &["loud"]),
        (
            [("LLASTA_LOG", ""), ("RUST_LOG", "warn,shop=debug")],
            &["loud", "chatter"],
        ),
    ] {
        let all = [variables[0], variables[1], ("OTEL_TRACES_EXPORTER", "none")];
        let Some(output) = alone(&all, events) else {
            return;
        };
        let lines = json_lines(&output);
        let said = lines
            .iter()
            .map(|line| line["message"].as_str().unwrap())
            .filter(|message| ["quiet", "loud", "chatter"].contains(message));
        assert_eq!(said.collect::<Vec<_>>(), messages, "{variables:?}");
    }
}
