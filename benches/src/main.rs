//! What the SDK adds to a request, counted.
//!
//! `cargo run --release -p llasta-benches` sends requests through an axum router without telemetry
//! and through the same router with it, in one process each, and prints allocations and, where
//! `valgrind` is installed, instructions per request. Counts repeat to the last digit on any
//! machine; times would not. Every variant proves that it did its work: as many spans, counts and
//! log lines as requests.
//!
//! In reading order: `variant` is what is compared, `exercise` sends the requests, `report` runs
//! the variants and writes the table.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod exercise;
mod report;
mod variant;

use std::process::ExitCode;

use variant::Variant;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => report::print(),
        // What `report` runs under valgrind, and by itself for the allocations.
        (Some("run"), Some(name)) => match Variant::named(&name) {
            Some(variant) => {
                println!("{}", exercise::run(variant));
                ExitCode::SUCCESS
            }
            None => wrong(&format!("no variant is named `{name}`")),
        },
        (Some(other), _) => wrong(&format!(
            "`{other}` is no command: give none for the table, or `run VARIANT`"
        )),
    }
}

fn wrong(message: &str) -> ExitCode {
    eprintln!("llasta-benches: {message}");
    ExitCode::from(2)
}
