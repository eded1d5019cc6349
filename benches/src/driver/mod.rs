//! Runs the programs that measure, each variant in a process of its own.

pub(crate) mod check;
mod program;
pub(crate) mod table;

use std::fmt;

use llasta_benches::measure::Group;

pub(crate) use self::program::Program;

/// What keeps the driver from its result, in words for a person.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one operation of a variant costs.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) group: Group,
    pub(crate) title: String,
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// Nanoseconds, when they were asked for.
    pub(crate) time: Option<f64>,
}
