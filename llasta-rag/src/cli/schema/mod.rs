//! `llasta schema`: the telemetry schema as data. `args` is what can be said, `source` finds a
//! schema, `export` writes it for other tools, `diff` compares two.

pub(super) mod args;
mod diff;
mod export;
mod source;

use self::args::SchemaCommand;
pub(super) use self::source::merged;
use super::failure::Failure;

pub(super) fn run(command: &SchemaCommand) -> Result<(), Failure> {
    match command {
        SchemaCommand::Export(arguments) => export::run(arguments),
        SchemaCommand::Diff(arguments) => diff::run(arguments),
    }
}
