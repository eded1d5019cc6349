//! The registries of released versions, and whether a schema keeps what they promised.

use std::fmt;
use std::path::Path;

use super::{diff, overdue, read};
use crate::schema::Schema;

/// The contract as each version of this crate had it, the oldest first: version and JSON.
const RELEASED: &[(&str, &str)] = &[("0.1.0", include_str!("../../registry/0.1.0.json"))];

/// The contract as each version of this crate had it, the oldest first: the version, and the JSON
/// that [`read`] takes.
pub fn released() -> &'static [(&'static str, &'static str)] {
    RELEASED
}

/// The contract as this version of the crate had it, as JSON.
pub fn release(version: &str) -> Option<&'static str> {
    let mut all = RELEASED.iter();
    all.find(|(released, _)| *released == version)
        .map(|(_, json)| *json)
}

/// Why a schema does not keep what its releases promised.
pub struct Unkept(Vec<String>);

impl Unkept {
    /// One sentence for each reason.
    pub fn reasons(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the schema does not keep what its releases promised")?;
        for reason in &self.0 {
            write!(f, "\n* {reason}")?;
        }
        Ok(())
    }
}

/// As it is displayed: a test that unwraps it prints this form.
impl fmt::Debug for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Unkept {}

/// Whether a schema keeps what its releases promised. `folder` holds one file for each version,
/// such as `0.1.0.json`, as [`json`](super::json) writes it; `version` is the one at work, whose file has
/// everything that the schema has. A test of one line:
///
/// ```no_run
/// # use llasta_telemetry::{registry, schema::Schema};
/// # let schema = Schema::new();
/// registry::keeps(&schema, "registry", env!("CARGO_PKG_VERSION")).unwrap();
/// ```
///
/// # Errors
///
/// What is gone or different without having been declared, each with what to declare; names from
/// before that are overdue; a file that is missing, stale or unreadable.
pub fn keeps(schema: &Schema, folder: impl AsRef<Path>, version: &str) -> Result<(), Unkept> {
    let folder = folder.as_ref();
    let mut reasons = Vec::new();
    let current = format!("{version}.json");
    let mut found = false;
    for (name, text) in files(folder, &mut reasons) {
        let kept = match read(&text) {
            Ok(kept) => kept,
            Err(error) => {
                reasons.push(format!("{name}: {}", with_source(&error)));
                continue;
            }
        };
        let changes = diff(&kept, schema);
        for change in changes.iter().filter(|change| change.undeclared) {
            reasons.push(format!("since {name}: {change}"));
        }
        if name == current {
            found = true;
            let lacking: Vec<_> = changes.iter().filter(|change| !change.undeclared).collect();
            if let Some(first) = lacking.first() {
                reasons.push(format!(
                    "{name} is stale, {} differences, the first: {first}. {}",
                    lacking.len(),
                    command(folder, &current)
                ));
            }
        }
    }
    if !found {
        reasons.push(format!(
            "there is no {current} yet. {}",
            command(folder, &current)
        ));
    }
    for change in overdue(schema) {
        reasons.push(change.to_string());
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Unkept(reasons))
    }
}

/// What writes the file.
fn command(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    format!(
        "Write `registry::json(&schema)` to {}; for the contract itself: `cargo run -p llasta-rag -- schema export --format json --output llasta-telemetry/registry/{file}`",
        path.display()
    )
}

/// The kept files, by name.
fn files(folder: &Path, reasons: &mut Vec<String>) -> Vec<(String, String)> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) => {
            reasons.push(format!("{} cannot be read: {error}", folder.display()));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for entry in listed.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".json") {
            continue;
        }
        match std::fs::read_to_string(entry.path()) {
            Ok(text) => files.push((name, text)),
            Err(error) => reasons.push(format!("{name} cannot be read: {error}")),
        }
    }
    files.sort();
    files
}

fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Major, minor and patch; what is no number counts as 0.
pub(super) fn numbers(version: &str) -> [u64; 3] {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = [0; 3];
    for (number, text) in numbers.iter_mut().zip(release.split('.')) {
        *number = text.parse().unwrap_or(0);
    }
    numbers
}

/// How many minor versions later `version` is than `since`; the first of a major version follows
/// the last of the one before.
pub(super) fn minors_between(since: &str, version: &str) -> u64 {
    let ([major, minor, _], [new_major, new_minor, _]) = (numbers(since), numbers(version));
    match new_major.checked_sub(major) {
        None => 0,
        Some(0) => new_minor.saturating_sub(minor),
        Some(majors) => majors + new_minor,
    }
}
