//! What each peer reports of a stream and of a client that hangs up, beside what happened.

mod client;
mod sdk;
mod server;
mod stream;

use std::process::{Command, ExitCode};

use crate::sink::SpanSeen;
use crate::stack;

/// The columns behind the subject, each with its place in a subject's row.
type Table = &'static [(&'static str, usize)];

const SERVER: [Table; 2] = [
    &[
        ("OpenTelemetry", 0),
        ("span, ms", 1),
        ("duration metric, ms", 2),
        ("in flight while it streams", 3),
        ("time to first byte", 4),
        ("exemplars", 5),
        ("continues the caller's trace", 10),
    ],
    &[
        ("span, mid-stream", 6),
        ("span, before the head", 7),
        ("in flight afterwards", 8),
        ("durations counted, of 3", 9),
    ],
];

const CLIENT: Table = &[("OpenTelemetry", 0), ("span, ms", 1), ("span, dropped", 2)];

/// The words of docs/COMPARE.md, with a place for each table.
const DOCUMENT: &str = include_str!("compare.md");

/// Runs every subject in a process of its own, since subscribers and providers are global: the
/// text of docs/COMPARE.md.
pub fn document() -> String {
    let subjects = stack::ALL.iter().map(|known| known.title).chain(["SDK"]);
    let servers: Vec<Row> = subjects.map(run).collect();
    let clients: Vec<Row> = client::SUBJECTS.into_iter().map(run).collect();
    DOCUMENT
        .replace("{{0}}", &table(SERVER[0], &servers))
        .replace("{{1}}", &table(SERVER[1], &servers))
        .replace("{{2}}", &table(CLIENT, &clients))
}

/// A subject and what it printed.
type Row = (&'static str, Vec<String>);

/// Those who report nothing of what a table shows are not in it.
fn table(columns: Table, rows: &[Row]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!("| | {} |\n|---|", names.join(" | "));
    text.push_str(&"---|".repeat(names.len()));
    for (subject, row) in rows {
        let cells: Vec<&str> = columns
            .iter()
            .map(|(_, place)| row.get(*place).map_or("failed", String::as_str))
            .collect();
        if cells.iter().any(|cell| *cell != "none") {
            text.push_str(&format!("\n| {subject} | {} |", cells.join(" | ")));
        }
    }
    text
}

fn run(subject: &'static str) -> Row {
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new(program)
        .args(["fact", subject])
        .output()
        .expect("it starts a second time");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    (
        subject,
        text.trim_end().split('\t').map(str::to_owned).collect(),
    )
}

/// Prints the row of one subject.
pub fn one(subject: &str) -> ExitCode {
    let row = if client::SUBJECTS.contains(&subject) {
        client::row(subject)
    } else if subject == "SDK" {
        server::row("llasta-telemetry", &sdk::Sdk::install())
    } else if let Some(known) = stack::ALL.iter().find(|known| known.title == subject) {
        server::row(subject, &*(known.start)(true))
    } else {
        eprintln!("llasta-peers: no subject is named `{subject}`");
        return ExitCode::from(2);
    };
    println!("{}", row.join("\t"));
    ExitCode::SUCCESS
}

/// The OpenTelemetry that a crate is compiled with, out of the lock file: of two versions of the
/// crate, the newer.
fn open_telemetry(name: &str) -> String {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let entry = LOCK.rsplit_once(&format!("\nname = \"{name}\"\n"));
    let entry = entry.map_or("", |(_, rest)| {
        rest.split("[[package]]").next().unwrap_or(rest)
    });
    match entry.split_once("\"opentelemetry ") {
        Some((_, version)) => version.split('"').next().unwrap_or(version).to_owned(),
        None => "none".to_owned(),
    }
}

/// Status, `error.type` and duration of a span.
fn ending(span: &SpanSeen) -> String {
    let status = span.status.split(['(', '{', ' ']).next().unwrap_or("");
    let kind = match span.attributes.get("error.type") {
        Some(kind) => format!("`error.type` {kind}"),
        None => "no `error.type`".to_owned(),
    };
    format!(
        "{status}, {kind}, {} ms",
        milliseconds(span.lasted.as_secs_f64())
    )
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}
