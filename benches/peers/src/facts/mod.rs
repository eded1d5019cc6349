//! What each peer reports of a stream and of a client that hangs up, beside what happened.

mod client;
mod sdk;
mod server;
mod stream;

use std::process::{Command, ExitCode};

use crate::sink::SpanSeen;
use crate::stack;

/// A table: its first column is the subject, the others these places of a subject's row.
struct Table {
    says: &'static str,
    columns: &'static [(&'static str, usize)],
}

const SERVER: &[Table] = &[
    Table {
        says: "Servers: a stream of five events in 200 ms, read to its end.",
        columns: &[
            ("OpenTelemetry", 0),
            ("span, ms", 1),
            ("duration metric, ms", 2),
            ("in flight while it streams", 3),
            ("time to first byte", 4),
            ("exemplars", 5),
        ],
    },
    Table {
        says: "Servers: a client that hangs up after the first event, and one before the head.",
        columns: &[
            ("span, mid-stream", 6),
            ("span, before the head", 7),
            ("in flight afterwards", 8),
            ("durations counted, of 3", 9),
        ],
    },
];

const CLIENT: &[Table] = &[Table {
    says: "Clients: the same stream read to its end, and one dropped after the first event.",
    columns: &[("OpenTelemetry", 0), ("span, ms", 1), ("span, dropped", 2)],
}];

/// Runs every subject in a process of its own, since subscribers and providers are global, and
/// prints what they reported.
pub fn all() -> ExitCode {
    let servers = stack::ALL.iter().map(|known| known.title).chain(["SDK"]);
    print(SERVER, servers);
    print(CLIENT, client::SUBJECTS.into_iter());
    ExitCode::SUCCESS
}

fn print<'a>(tables: &[Table], subjects: impl Iterator<Item = &'a str>) {
    let rows: Vec<(&str, String)> = subjects.map(|subject| (subject, run(subject))).collect();
    for Table { says, columns } in tables {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        println!("{says}\n\n| | {} |", names.join(" | "));
        println!("|---|{}", "---|".repeat(names.len()));
        for (subject, row) in &rows {
            let row: Vec<&str> = row.trim_end().split('\t').collect();
            let cells: Vec<&str> = columns
                .iter()
                .map(|(_, place)| row.get(*place).copied().unwrap_or("failed"))
                .collect();
            println!("| {subject} | {} |", cells.join(" | "));
        }
        println!();
    }
}

fn run(subject: &str) -> String {
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new(program)
        .args(["fact", subject])
        .output()
        .expect("it starts a second time");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
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
