//! Runs the programs that measure, each variant in a process of its own.

mod budget;
pub(crate) mod check;
mod machine;
mod program;
mod run;
mod table;

use std::fmt;
use std::path::Path;

use llasta_benches::measure::Group;

pub(crate) use self::program::Program;
use self::run::Row;

/// What keeps the driver from its result, in words for a person.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The words of docs/benchmarks.md, with a place for each table.
const DOCUMENT: &str = include_str!("benchmarks.md");

/// Measures all variants of these programs: the text of docs/benchmarks.md.
pub(crate) fn document(programs: &[Program], benches: &Path) -> Result<String, Failure> {
    let rows = run::run(programs)?;
    let mut text = DOCUMENT.to_owned();
    for group in Group::ALL {
        let place = format!("{{{{{}}}}}", group.name());
        text = text.replace(&place, table::table(group, &rows).trim_end());
    }
    text = text.replace("{{budgets}}", table::budgets(&rows).trim_end());
    Ok(text.replace("{{machine}}", &machine::describe(benches)))
}
