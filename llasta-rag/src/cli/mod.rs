//! The command line. In reading order: `args` is what can be said and `values` with which values,
//! `serve`, `ingest`, `export`, `import`, `migrate`, `ask`, `demo`, `check` and `schema` what is done.

mod args;
mod ask;
mod check;
mod demo;
mod export;
mod failure;
mod import;
mod ingest;
mod migrate;
mod schema;
mod serve;
mod values;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use self::args::{Arguments, Command};

/// Runs what the command line says. Exit status: 0 when it worked, 1 when it failed, 2 when the
/// command line or a setting is wrong.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
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
            Command::Export(arguments) => export::run(arguments).await,
            Command::Import(arguments) => import::run(arguments).await,
            Command::Migrate(arguments) => migrate::run(*arguments).await,
            Command::Ask(arguments) => ask::run(&arguments).await,
            Command::Demo(arguments) => demo::run(&arguments).await,
            Command::Check(arguments) => check::run(&arguments).await,
            Command::Schema(command) => schema::run(&command),
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

/// Says what is wrong with the command line, or what was asked for, such as the help.
fn refuse(error: &clap::Error) -> ExitCode {
    // There is nobody to tell that there is nobody to tell.
    let _ = error.print();
    if let Some(allowed) = allowed(error) {
        eprintln!("{allowed}");
    }
    if let Some(variable) = variable(error) {
        eprintln!("The value comes from the environment variable {variable}.");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// What could have been said instead of a flag or a command that is not known.
fn allowed(error: &clap::Error) -> Option<String> {
    let arguments = Arguments::command();
    let mut command = &arguments;
    let mut name = command.get_name().to_owned();
    for word in std::env::args().skip(1) {
        if let Some(below) = command.find_subcommand(&word) {
            command = below;
            name = format!("{name} {word}");
        }
    }
    let (kind, known): (_, Vec<_>) = match error.kind() {
        ErrorKind::UnknownArgument => (
            "flags",
            command
                .get_arguments()
                .filter(|known| !known.is_hide_set())
                .filter_map(|known| known.get_long().map(|flag| format!("--{flag}")))
                .chain(["--help".to_owned()])
                .collect(),
        ),
        ErrorKind::InvalidSubcommand => (
            "commands",
            command
                .get_subcommands()
                .map(|known| known.get_name().to_owned())
                .collect(),
        ),
        _ => return None,
    };
    Some(format!("The {kind} of {name}: {}", known.join(", ")))
}

/// The environment variable that a refused value is from: clap names the flag it stands for.
fn variable(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split(' ').next().unwrap_or(argument);
    if std::env::args().any(|given| given.split('=').next() == Some(flag)) {
        return None;
    }
    let mut command = Arguments::command();
    command.build();
    let variable = environment_of(&command, argument)?;
    std::env::var_os(&variable).map(|_| variable)
}

fn environment_of(command: &clap::Command, argument: &str) -> Option<String> {
    let known = command
        .get_arguments()
        .find(|known| known.to_string() == argument)
        .and_then(|known| known.get_env()?.to_str().map(str::to_owned));
    known.or_else(|| {
        command
            .get_subcommands()
            .find_map(|command| environment_of(command, argument))
    })
}
