//! Measures the peers for `llasta-benches`, and writes docs/COMPARE.md.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- facts --write docs/COMPARE.md
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use llasta_benches::measure::{INSTRUCTIONS, TIME, answer};
use llasta_peers::{facts, variants};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["facts"] => {
            println!("{}", facts::document());
            return ExitCode::SUCCESS;
        }
        ["facts", "--write", path] => {
            return match std::fs::write(path, facts::document()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("llasta-peers: `{path}` could not be written: {error}");
                    ExitCode::FAILURE
                }
            };
        }
        ["fact", subject] => return facts::one(subject),
        _ => {}
    }
    let meters = [("instructions", INSTRUCTIONS), ("time", TIME)];
    answer(&words, &variants(), &meters).unwrap_or_else(|| {
        eprintln!(
            "llasta-peers: give `facts [--write FILE]`, or `list`, or a meter, a group and a title"
        );
        ExitCode::from(2)
    })
}
