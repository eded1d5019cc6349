//! What must hold of a declaration as a whole. Every breach is reported, not only the first.

use std::collections::HashMap;

use syn::{Error, LitStr, Path};

use super::collect;
use super::parse::{MetricItem, ParentItem, Schema, SpanItem};

const TYPES: [&str; 5] = ["i64", "f64", "str", "bool", "Strings"];
const KINDS: [&str; 3] = ["internal", "server", "client"];
const INSTRUMENTS: [&str; 4] = ["counter", "gauge", "float_gauge", "histogram"];

pub(super) fn check(schema: &Schema) -> Option<Error> {
    let mut errors = None;
    keys(schema, &mut errors);
    for span in &schema.spans {
        self::span(span, &mut errors);
    }
    let mut names: HashMap<String, ()> = HashMap::new();
    for metric in schema.metrics.iter().flat_map(|block| &block.metrics) {
        self::metric(metric, &mut errors);
        if names.insert(metric.name.value(), ()).is_some() {
            let text = format!("the metric \"{}\" is declared twice", metric.name.value());
            collect(&mut errors, Error::new(metric.name.span(), text));
        }
    }
    errors
}

fn keys(schema: &Schema, errors: &mut Option<Error>) {
    let mut names: HashMap<String, String> = HashMap::new();
    for key in &schema.keys {
        let name = key.name.value();
        if key.docs.is_empty() {
            let text = format!(
                "`{}` needs a doc comment: it is the key's brief in every reference",
                key.ident
            );
            collect(errors, Error::new(key.ident.span(), text));
        }
        if !TYPES.contains(&key.ty.to_string().as_str()) {
            let text = format!(
                "`{}` is no attribute type: write i64, f64, bool, str or Strings",
                key.ty
            );
            collect(errors, Error::new(key.ty.span(), text));
        }
        if key.content && key.ty != "str" {
            collect(
                errors,
                Error::new(key.ty.span(), "content is text: this key must be a str"),
            );
        }
        attribute_name(&key.name, errors);
        if let Some(first) = names.insert(name.clone(), key.ident.to_string()) {
            let text = format!("the key \"{name}\" is declared twice: `{first}` has it already");
            collect(errors, Error::new(key.name.span(), text));
        }
    }
}

/// Attribute names are lower case, in segments joined by dots.
fn attribute_name(name: &LitStr, errors: &mut Option<Error>) {
    let text = name.value();
    let good = !text.is_empty()
        && text.split('.').all(|segment| {
            !segment.is_empty()
                && segment
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        });
    if !good {
        let text = format!(
            "\"{text}\" is no attribute name: lower-case words joined by dots, such as \"billing.amount\""
        );
        collect(errors, Error::new(name.span(), text));
    }
}

fn span(span: &SpanItem, errors: &mut Option<Error>) {
    if span.docs.is_empty() {
        let text = format!(
            "`{}` needs a doc comment: it is the span's brief in every reference",
            span.ident
        );
        collect(errors, Error::new(span.ident.span(), text));
    }
    if !KINDS.contains(&span.kind.to_string().as_str()) {
        let text = format!(
            "`{}` is no span kind: write internal, server or client",
            span.kind
        );
        collect(errors, Error::new(span.kind.span(), text));
    }
    for parent in &span.parents {
        if let ParentItem::Kind(kind) = parent
            && !["server", "client", "root"].contains(&kind.to_string().as_str())
        {
            let text = format!(
                "`{kind}` is no parent: write server, client, root or the name of a span in quotes"
            );
            collect(errors, Error::new(kind.span(), text));
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for path in span.start.iter().chain(&span.end).chain(&span.optional) {
        let Some(ident) = last(path) else { continue };
        if seen.contains(&ident) {
            let text = format!("`{ident}` is listed twice on this span");
            collect(errors, Error::new_spanned(path, text));
        }
        seen.push(ident);
    }
}

fn metric(metric: &MetricItem, errors: &mut Option<Error>) {
    let instrument = metric.instrument.to_string();
    let name = metric.name.value();
    if !INSTRUMENTS.contains(&instrument.as_str()) {
        let text = format!(
            "`{instrument}` is no instrument: write counter, gauge, float_gauge or histogram"
        );
        collect(errors, Error::new(metric.instrument.span(), text));
    }
    if metric.docs.is_empty() {
        let text = format!(
            "`{}` needs a doc comment: it is the metric's HELP line",
            metric.ident
        );
        collect(errors, Error::new(metric.ident.span(), text));
    }
    if instrument == "histogram" && metric.buckets.is_none() {
        let text = "a histogram needs its buckets: `buckets(SECONDS)` or `buckets(&[1.0, 5.0])`";
        collect(errors, Error::new(metric.name.span(), text));
    }
    if instrument != "histogram" && metric.buckets.is_some() {
        collect(
            errors,
            Error::new(metric.name.span(), "only a histogram has buckets"),
        );
    }
    if instrument == "counter" && !name.ends_with("_total") {
        let text = format!("a counter's name ends in `_total`: \"{name}_total\"");
        collect(errors, Error::new(metric.name.span(), text));
    }
    let legal = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if !legal {
        let text =
            format!("\"{name}\" is no Prometheus metric name: letters, digits and underscores");
        collect(errors, Error::new(metric.name.span(), text));
    }
    for label in metric.labels.iter().map(|label| &label.ident) {
        // The chart scrapes with `honor_labels: true`: these would overwrite the target's own.
        if ["job", "instance", "namespace", "pod", "le"].contains(&label.to_string().as_str()) {
            let text = format!("`{label}` belongs to the scraper: choose another label name");
            collect(errors, Error::new(label.span(), text));
        }
    }
}

pub(super) fn last(path: &Path) -> Option<String> {
    path.segments
        .last()
        .map(|segment| segment.ident.to_string())
}
