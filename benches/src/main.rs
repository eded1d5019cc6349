//! What recording costs, counted.
//!
//! ```sh
//! cargo run --release -p llasta-benches            # the SDK's own tables
//! cargo run --release -p llasta-benches -- check   # fails when a budget is exceeded
//! ```
//!
//! Every variant runs in processes of its own and proves that it did its work: as many spans,
//! counts and log lines as operations.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod driver;

use std::path::Path;
use std::process::ExitCode;

use llasta_benches::measure::{Group, INSTRUCTIONS, TIME, answer};
use llasta_benches::sdk;

use crate::driver::{Failure, Program, Row, check, table};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let meters = [("instructions", INSTRUCTIONS), ("time", TIME)];
    if let Some(status) = answer(&words, &sdk::variants(), &meters) {
        return status;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => own().and_then(|program| print(&program)),
        ["check"] => own().and_then(|program| check::run(&program)),
        _ => {
            eprintln!("llasta-benches: give nothing for the tables, or `check`");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("llasta-benches: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn own() -> Result<Program, Failure> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    Program::build(&manifest, "llasta-benches")
}

fn print(program: &Program) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (group, title) in program.variants()? {
        rows.push(Row {
            group,
            instructions: program.instructions(group, &title)?,
            allocations: program.allocations(group, &title)?,
            time: Some(program.time(group, &title)?),
            title,
        });
    }
    for group in Group::ALL {
        println!("{}", table::table(group, &rows));
    }
    Ok(())
}
