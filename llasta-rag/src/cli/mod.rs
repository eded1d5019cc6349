//! The command line. In reading order: `args` is what can be said, `serve`, `ingest`, `ask` and
//! `demo` what is done.

mod args;
mod ask;
mod demo;
mod failure;
mod ingest;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Arguments, Command};

/// Runs what the command line says. Exit status: 0 when it worked, 1 when it failed, 2 when the
/// command line or a setting is wrong.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("llasta: the async runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match arguments.command {
            Command::Serve(service) => serve::run(service).await,
            Command::Ingest(arguments) => ingest::run(&arguments).await,
            Command::Ask(arguments) => ask::run(&arguments).await,
            Command::Demo(arguments) => demo::run(&arguments).await,
        }
    });
    // Whatever still blocks a thread of the pool must not hold the exit up.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("llasta: {}", failure.message);
            }
            ExitCode::from(failure.status)
        }
    }
}
