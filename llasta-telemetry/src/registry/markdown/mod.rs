//! The reference pages: what a schema says, for people.

mod attributes;
mod metrics;
mod spans;

use super::{File, spans_of, version};
use crate::schema::http::{ERROR_MESSAGE, ERROR_TYPE};
use crate::schema::resource::{self, SERVICE_NAME};
use crate::schema::{Namespace, Owner, Presence, Schema, Was};

/// Writes the reference pages: `README.md`, `attributes.md`, `spans.md`, `metrics.md` and
/// `resource-and-logs.md`, which link to each other.
pub fn markdown(schema: &Schema) -> Vec<File> {
    vec![
        File::new("README.md", index(schema)),
        File::new("attributes.md", attributes::page(schema)),
        File::new("spans.md", spans::page(schema)),
        File::new("metrics.md", metrics::page(schema)),
        File::new("resource-and-logs.md", resource_and_logs(schema)),
    ]
}

const WRITTEN: &str = "<!-- Written by `llasta schema export --format markdown`: change the declarations, not this page. -->\n";

/// The beginning of every page but the index.
fn head(title: &str) -> String {
    format!(
        "{WRITTEN}\n# {title}\n\n[Reference](README.md) · [Attributes](attributes.md) · [Spans](spans.md) · [Metrics](metrics.md) · [Resource and logs](resource-and-logs.md)\n"
    )
}

fn index(schema: &Schema) -> String {
    let mut page = format!("{WRITTEN}\n# Telemetry reference\n\n");
    page += &format!(
        "Everything that the services emit, in version {} of the schema. These pages are written from its declarations.\n\n",
        version(schema)
    );
    page += "| page | what it lists |\n|---|---|\n";
    for (link, what) in [
        (
            "[Spans](spans.md)",
            "the tree of spans, and the attributes of each",
        ),
        (
            "[Attributes](attributes.md)",
            "every attribute: type, unit, meaning, example",
        ),
        (
            "[Metrics](metrics.md)",
            "the metrics of each service, with their labels and buckets",
        ),
        (
            "[Resource and logs](resource-and-logs.md)",
            "who says it, and the fields of a log line",
        ),
    ] {
        page += &format!("| {link} | {what} |\n");
    }
    page += "\n## Namespaces\n\n| namespace | what it is | whose | version | attributes | spans | metrics |\n|---|---|---|---|---|---|---|\n";
    for namespace in schema.namespaces() {
        page += &namespace_row(schema, namespace);
    }
    page += CONVENTIONS;
    page
}

fn namespace_row(schema: &Schema, namespace: &Namespace) -> String {
    let metrics: usize = namespace.metrics.iter().map(|block| block.len()).sum();
    let count = |number: usize| match number {
        0 => String::new(),
        number => number.to_string(),
    };
    let name = if namespace.keys.is_empty() {
        format!("`{}`", namespace.name)
    } else {
        format!("[`{0}`](attributes.md#{0})", namespace.name)
    };
    // The version of names that others define is theirs.
    let version = if namespace.foreign {
        ""
    } else {
        namespace.version
    };
    format!(
        "| {name} | {} | {} | {version} | {} | {} | {} |\n",
        cell(namespace.brief),
        match namespace.owner {
            Owner::Anyone => "any service".to_owned(),
            Owner::Everyone => "every service".to_owned(),
            Owner::Service(name) => format!("`{name}`"),
        },
        count(namespace.keys.len()),
        count(spans_of(schema, namespace).len()),
        count(metrics),
    )
}

const CONVENTIONS: &str = "
## Conventions

- **Types.** `int` is a signed 64-bit integer, `double` a 64-bit float. Backends compare strictly: an int never equals a
  double, so the types matter.
- **When it is there.** *Always* is on every span of the name, from its start or at its end. *When it applies* is left
  out where there is nothing to say; it is never guessed.
- **Content** is what people wrote. The capture policy says how much of it is kept, and none of it ever becomes a label.
- **OpenTelemetry's names.** An attribute that has a counterpart there is emitted under both names by default;
  `LLASTA_ATTRIBUTE_NAMES` chooses `llasta`, `otel` or `both`.
- **Stability.** Names are stable unless a page says *in development*: removing, renaming or retyping a stable one is a
  breaking change, and is declared one minor version before.
- **Labels** have a closed set of values, each of which is there from the start, or a text from the service's own
  configuration. None comes from outside.
- **Units** are written in UCUM.
";

fn resource_and_logs(schema: &Schema) -> String {
    let mut page = head("Resource and logs");
    page += "\n## Resource\n\nWho says it: one for each service that runs, on all that it exports over OTLP. `OTEL_RESOURCE_ATTRIBUTES` adds to it.\n\n";
    page += "| attribute | type | meaning | example |\n|---|---|---|---|\n";
    for key in resource::NAMESPACE.keys {
        page += &format!(
            "| `{}` | {} | {} | {} |\n",
            key.name,
            key.ty.name(),
            cell(key.brief),
            examples(key.examples)
        );
    }
    page += &format!(
        "
## Log lines

One JSON object a line on standard output, with these fields and then the event's own. One access line a request, at its
end.

| field | when it is there | form |
|---|---|---|
| `timestamp` | always | RFC 3339 in UTC with microseconds, such as `2026-11-23T02:11:19.000123Z` |
| `level` | always | `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE` |
| `target` | always | the part of the program that says it |
| `message` | always | text, which may be empty |
| `{}` | always | as in the resource |
| `trace_id` | in a span | 32 hex digits |
| `span_id` | in a span | 16 hex digits |
",
        SERVICE_NAME.name()
    );
    if schema.key(ERROR_TYPE.name()).is_some() {
        page += &format!(
            "
## Failures

A span that failed has the status Error and [`{0}`](attributes.md#{0}), a word of low cardinality. [`{1}`](attributes.md#{1})
may go with it, at most 100 characters.
",
            ERROR_TYPE.name(),
            ERROR_MESSAGE.name()
        );
    }
    page
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn examples(examples: &[&str]) -> String {
    let all: Vec<_> = examples
        .iter()
        .map(|text| format!("`{}`", cell(text)))
        .collect();
    all.join(", ")
}

/// What has become of a name, as a sentence behind its meaning.
fn history(was: Option<Was>, deprecated: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(was) = was {
        text += &format!(" *`{}` before {}.*", was.name, was.since);
    }
    if let Some(instead) = deprecated {
        text += &format!(" **Deprecated:** {}.", cell(instead.trim_end_matches('.')));
    }
    text
}

fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Start => "always",
        Presence::End => "always, known at the end",
        Presence::Optional => "when it applies",
    }
}

/// The anchor that GitHub and others make of a heading.
fn anchor(heading: &str) -> String {
    heading
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            _ => letter
                .is_alphanumeric()
                .then(|| letter.to_ascii_lowercase()),
        })
        .collect()
}
