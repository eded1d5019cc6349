//! Facts.
use std::process::ExitCode;

/// All.
pub fn all() -> ExitCode {
    ExitCode::SUCCESS
}

/// One.
pub fn one(_subject: &str) -> ExitCode {
    ExitCode::SUCCESS
}
