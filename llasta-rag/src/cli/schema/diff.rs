//! `llasta schema diff`: what is different between two schemas, and what of that breaks.

use llasta_telemetry::registry::{self, Change, Section};
use serde_json::json;

use super::args::{DiffArgs, DiffFormat};
use super::source;
use crate::cli::failure::Failure;

/// Ends with status 1 when something breaks that was not declared to.
pub(super) fn run(arguments: &DiffArgs) -> Result<(), Failure> {
    let (old, new) = (
        source::named(&arguments.old)?,
        source::named(&arguments.new)?,
    );
    let changes = registry::diff(&old, &new);
    match arguments.format {
        DiffFormat::Json => println!(
            "{}",
            json!({ "old": arguments.old, "new": arguments.new, "changes": changes })
        ),
        DiffFormat::Text => print!("{}", text(&arguments.old, &arguments.new, &changes)),
    }
    if changes.iter().any(|change| change.undeclared) {
        return Err(Failure::said());
    }
    Ok(())
}

/// The changes by what is to be done about them, then as a CHANGELOG has them.
fn text(old: &str, new: &str, changes: &[Change]) -> String {
    type IsIn = fn(&Change) -> bool;

    if changes.is_empty() {
        return format!("{new} says the same as {old}.\n");
    }
    let count = |test: IsIn| changes.iter().filter(|change| test(change)).count();
    let (undeclared, breaking) = (
        count(|change| change.undeclared),
        count(|change| change.breaking),
    );
    let mut text = format!(
        "From {old} to {new}: {} changes, {breaking} of them breaking, {undeclared} of those undeclared.\n",
        changes.len()
    );
    let groups: [(&str, IsIn); 3] = [
        ("Breaking, and not declared", |change| change.undeclared),
        ("Breaking, as declared", |change| {
            change.breaking && !change.undeclared
        }),
        ("Compatible", |change| !change.breaking),
    ];
    for (title, is_in) in groups {
        let of_group: Vec<_> = changes.iter().filter(|change| is_in(change)).collect();
        if of_group.is_empty() {
            continue;
        }
        text += &format!("\n{title}\n");
        for change in of_group {
            text += &format!(
                "  the {} `{}` {}",
                change.subject, change.name, change.message
            );
            if !change.advice.is_empty() {
                text += &format!("\n    {}", change.advice);
            }
            text += &format!("\n    CHANGELOG: {}\n", change.section);
        }
    }
    text += "\nFor the CHANGELOG\n  ### Schema\n";
    for section in [
        Section::Added,
        Section::Changed,
        Section::Deprecated,
        Section::Removed,
    ] {
        for change in changes.iter().filter(|change| change.section == section) {
            let title = section.to_string();
            let word = title.rsplit(' ').next().unwrap_or_default().to_owned();
            text += &format!(
                "  - {word}: the {} `{}` {}.\n",
                change.subject, change.name, change.message
            );
        }
    }
    text
}
