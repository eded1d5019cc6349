//! What recording costs, counted.
//!
//! ```sh
//! cargo run --release -p llasta-benches                                  # everything, printed
//! cargo run --release -p llasta-benches -- --quick                       # the SDK alone
//! cargo run --release -p llasta-benches -- --write docs/benchmarks.md    # everything, written
//! cargo run --release -p llasta-benches -- check                         # are budgets exceeded?
//! ```
//!
//! Every variant runs in processes of its own and proves that it did its work: as many spans,
//! counts and log lines as operations.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod driver;

use std::path::Path;
use std::process::ExitCode;

use llasta_benches::measure::{INSTRUCTIONS, TIME, answer};
use llasta_benches::sdk;

use crate::driver::{Failure, Program, check, document};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let meters = [("instructions", INSTRUCTIONS), ("time", TIME)];
    if let Some(status) = answer(&words, &sdk::variants(), &meters) {
        return status;
    }
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => own().and_then(|program| check::run(&program)),
        [] => everything().map(|text| println!("{text}")),
        ["--quick"] => quick().map(|text| println!("{text}")),
        ["--write", path] => everything().and_then(|text| write(path, &text)),
        _ => {
            eprintln!(
                "llasta-benches: give nothing to print the tables, `--quick` for the SDK alone, \
                 `--write FILE` to write them, or `check` for the budgets"
            );
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

const BENCHES: &str = env!("CARGO_MANIFEST_DIR");

fn own() -> Result<Program, Failure> {
    Program::build(&Path::new(BENCHES).join("Cargo.toml"), "llasta-benches")
}

fn quick() -> Result<String, Failure> {
    document(&[own()?], Path::new(BENCHES))
}

fn everything() -> Result<String, Failure> {
    let benches = Path::new(BENCHES);
    let peers = Program::build(&benches.join("peers/Cargo.toml"), "llasta-peers")?;
    document(&[own()?, peers], benches)
}

/// Where the part of the page begins that other programs write.
const RETRIEVAL: &str = "## Retrieval";

fn write(path: &str, text: &str) -> Result<(), Failure> {
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let kept = page.find(RETRIEVAL).map_or("", |start| &page[start..]);
    let text = if kept.is_empty() {
        text.to_owned()
    } else {
        format!("{}\n\n{kept}", text.trim_end())
    };
    std::fs::write(path, text)
        .map_err(|error| Failure(format!("`{path}` could not be written: {error}")))
}
