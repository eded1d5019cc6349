//! The tree of spans, and each of them.

use super::{anchor, cell, head, history, presence};
use crate::schema::{Kind, Parent, Schema, SpanDef, TwinForm};

pub(super) fn page(schema: &Schema) -> String {
    let mut page = head("Spans");
    page += "\n## Tree\n\nA name in braces stands for many: each word in braces is the value of that attribute.\n\n```text\n";
    page += &tree(schema);
    page += "```\n";
    for namespace in schema.namespaces() {
        for span in super::spans_of(schema, namespace) {
            page += &section(schema, span);
        }
    }
    page
}

/// What stands under what. A span that may stand under several is printed under each.
fn tree(schema: &Schema) -> String {
    let mut lines = Vec::new();
    let has_server = schema.spans().any(|span| span.kind == Kind::Server);
    let tops = schema.spans().filter(|span| {
        span.parents.is_empty()
            || span.parents.contains(&Parent::Root)
            || span.parents.iter().all(|parent| match parent {
                Parent::Root | Parent::Client => true,
                Parent::Server => false,
                Parent::Span(name) => schema.span(name).is_none(),
            })
    });
    // Entry points first, then what stands under anything.
    let (roots, anywhere): (Vec<_>, Vec<_>) = tops.partition(|span| !span.parents.is_empty());
    if !has_server {
        let under: Vec<_> = schema
            .spans()
            .filter(|span| span.parents.contains(&Parent::Server))
            .collect();
        if !under.is_empty() {
            lines.push(("any span of an HTTP server".to_owned(), Kind::Server, ""));
            children(schema, &under, "", &mut Vec::new(), &mut lines);
        }
    }
    for span in roots {
        branch(schema, span, &mut lines, "");
    }
    for span in anywhere {
        branch(schema, span, &mut lines, "under any span");
    }
    let width = lines
        .iter()
        .map(|(name, _, _)| name.chars().count())
        .max()
        .unwrap_or_default();
    lines
        .iter()
        .map(|(name, kind, note)| {
            let line = format!("{name:<width$}  {:<8}  {note}", kind.name());
            line.trim_end().to_owned() + "\n"
        })
        .collect()
}

type Lines = Vec<(String, Kind, &'static str)>;

fn branch(schema: &Schema, span: &'static SpanDef, lines: &mut Lines, note: &'static str) {
    lines.push((span.name.to_owned(), span.kind, note));
    let under = under(schema, span);
    children(schema, &under, "", &mut vec![span.name], lines);
}

fn under(schema: &Schema, span: &SpanDef) -> Vec<&'static SpanDef> {
    let is_under = |other: &&SpanDef| {
        other.parents.iter().any(|parent| match parent {
            Parent::Span(name) => *name == span.name,
            // A SERVER span under the CLIENT span that called stands in another service.
            Parent::Server => span.kind == Kind::Server,
            Parent::Root | Parent::Client => false,
        })
    };
    // As they are declared, which is the order of the work.
    let namespaces = schema.namespaces().iter();
    namespaces
        .flat_map(|namespace| super::spans_of(schema, namespace))
        .filter(is_under)
        .collect()
}

fn children(
    schema: &Schema,
    spans: &[&'static SpanDef],
    indent: &str,
    above: &mut Vec<&'static str>,
    lines: &mut Lines,
) {
    for (at, span) in spans.iter().enumerate() {
        let last = at + 1 == spans.len();
        let (fork, rest) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        lines.push((format!("{indent}{fork}{}", span.name), span.kind, ""));
        // A declaration may go in a circle; the tree does not.
        if above.contains(&span.name) {
            continue;
        }
        above.push(span.name);
        let under = under(schema, span);
        children(schema, &under, &format!("{indent}{rest}"), above, lines);
        above.pop();
    }
}

fn section(schema: &Schema, span: &SpanDef) -> String {
    let mut text = format!(
        "\n## {}\n\n{}{}\n\n- Kind: {}\n- Stands under: {}\n",
        heading(span.name),
        span.brief,
        history(span.was, span.deprecated),
        span.kind.name(),
        parents(schema, span)
    );
    if !span.twins.is_empty() {
        let fixed: Vec<_> = span
            .twins
            .iter()
            .map(|(key, value)| format!("`{}` = `{value}`", key.name))
            .collect();
        text += &format!("- Under OpenTelemetry's names also: {}\n", fixed.join(", "));
    }
    text +=
        "\n| attribute | type | there | meaning | OpenTelemetry's name |\n|---|---|---|---|---|\n";
    for (key, when) in span.attributes {
        let twin = key.twin.map(|twin| match twin.form {
            TwinForm::Same => format!("`{}`", twin.key.name),
            TwinForm::WhenTrue => format!("`{}`, when true", twin.key.name),
            TwinForm::ListOfOne => format!("`{}`, as a list", twin.key.name),
        });
        let content = if key.content { " *Content.*" } else { "" };
        text += &format!(
            "| [`{0}`](attributes.md#{0}) | {1} | {2} | {3}{content} | {4} |\n",
            key.name,
            key.ty.name(),
            presence(*when),
            cell(key.brief),
            twin.unwrap_or_default()
        );
    }
    text
}

/// Braces are no markup, but a name in them reads better as code; its anchor is the same.
fn heading(name: &str) -> String {
    if name.contains('{') {
        format!("`{name}`")
    } else {
        name.to_owned()
    }
}

fn parents(schema: &Schema, span: &SpanDef) -> String {
    if span.parents.is_empty() {
        return "any span".to_owned();
    }
    let words: Vec<_> = span
        .parents
        .iter()
        .map(|parent| match parent {
            Parent::Root => "nothing: it begins a trace".to_owned(),
            Parent::Server => "a SERVER span of the same service".to_owned(),
            Parent::Client => "the CLIENT span that called".to_owned(),
            Parent::Span(name) if schema.span(name).is_some() => {
                format!("[`{name}`](#{})", anchor(name))
            }
            Parent::Span(name) => format!("`{name}`"),
        })
        .collect();
    words.join(", or ")
}
