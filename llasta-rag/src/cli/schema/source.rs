//! Which schema is meant: this binary's own, a released one, or one in a file.

use llasta_telemetry::registry;
use llasta_telemetry::schema::Schema;

use crate::cli::failure::Failure;

/// The schema that this binary was compiled with.
const CURRENT: &str = "current";

/// The schema of this name: `current`, a released version such as `0.1.0`, or the path of a file
/// that `llasta schema export --format json` wrote.
pub(super) fn named(name: &str) -> Result<Schema, Failure> {
    if name == CURRENT {
        return Ok(Schema::contract());
    }
    let read = |text: &str| {
        registry::read(text).map_err(|error| Failure {
            status: 2,
            ..Failure::of(name, &error)
        })
    };
    if let Some(released) = registry::release(name) {
        return read(released);
    }
    match std::fs::read_to_string(name) {
        Ok(text) => read(&text),
        Err(error) => Err(Failure::setting(format!(
            "`{name}` is neither a file that can be read ({error}) nor a schema that is known: {}",
            known()
        ))),
    }
}

fn known() -> String {
    let released = registry::released().iter().map(|(version, _)| *version);
    [CURRENT]
        .into_iter()
        .chain(released)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Several of them, as one.
pub(in crate::cli) fn merged(names: &[String]) -> Result<Schema, Failure> {
    let mut schema = Schema::new();
    for name in names {
        schema.merge(&named(name)?).map_err(Failure::setting)?;
    }
    if names.is_empty() {
        schema = Schema::contract();
    }
    Ok(schema)
}
