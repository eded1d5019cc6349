//! `llasta`: the services, and what one does with them, in one binary.

// A program's words go to standard output and standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
