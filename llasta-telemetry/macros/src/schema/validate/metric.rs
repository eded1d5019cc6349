//! Metrics.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::ext::IdentExt;

use super::{Errors, Names, identifier, since};
use crate::schema::parse::{MetricItem, Schema, WasItem};

const INSTRUMENTS: [&str; 4] = ["counter", "gauge", "float_gauge", "histogram"];

/// The chart scrapes with `honor_labels: true`: these would overwrite the target's own.
const SCRAPER: [&str; 5] = ["job", "instance", "namespace", "pod", "le"];

pub(super) fn check(schema: &Schema, errors: &mut Errors) {
    let mut names = Names::new("metric");
    for block in &schema.metrics {
        let mut idents = HashMap::new();
        for metric in &block.metrics {
            self::metric(metric, errors);
            labels(metric, errors);
            names.take(
                &metric.name.value(),
                metric.name.span(),
                &metric.ident.to_string(),
                errors,
            );
            identifier(&mut idents, &metric.ident, errors);
            if metric.ident == "register" {
                errors.say(
                    metric.ident.span(),
                    "`register` is the function that registers all of them: choose another name",
                );
            }
        }
    }
    for metric in schema.metrics.iter().flat_map(|block| &block.metrics) {
        if let Some(was) = &metric.was {
            let name = metric.name.value();
            names.take_old(&name, was, &metric.ident.to_string(), errors);
            old_name(metric, was, errors);
        }
    }
}

fn metric(metric: &MetricItem, errors: &mut Errors) {
    let instrument = metric.instrument.to_string();
    let name = metric.name.value();
    if !INSTRUMENTS.contains(&instrument.as_str()) {
        let text = format!(
            "`{instrument}` is no instrument: write counter, gauge, float_gauge or histogram"
        );
        errors.say(metric.instrument.span(), text);
    }
    if metric.docs.is_empty() {
        let text = format!(
            "`{}` needs a doc comment: it is the metric's HELP line",
            metric.ident
        );
        errors.say(metric.ident.span(), text);
    }
    if instrument == "histogram" && metric.buckets.is_none() {
        let text = "a histogram needs its buckets: `buckets(SECONDS)` or `buckets(&[1.0, 5.0])`";
        errors.say(metric.name.span(), text);
    }
    if instrument != "histogram" && metric.buckets.is_some() {
        errors.say(metric.name.span(), "only a histogram has buckets");
    }
    if instrument == "counter" && !name.ends_with("_total") {
        let text = format!("a counter's name ends in `_total`: \"{name}_total\"");
        errors.say(metric.name.span(), text);
    }
    legal(&name, metric.name.span(), errors);
}

fn legal(name: &str, at: Span, errors: &mut Errors) {
    let legal = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if !legal {
        let text =
            format!("\"{name}\" is no Prometheus metric name: letters, digits and underscores");
        errors.say(at, text);
    }
}

fn old_name(metric: &MetricItem, was: &WasItem, errors: &mut Errors) {
    since(was, errors);
    let (name, old) = (metric.name.value(), was.name.value());
    legal(&old, was.name.span(), errors);
    let family = |name: &str| name.strip_suffix("_total").map(str::to_owned);
    if metric.instrument == "counter" && family(&name).is_some_and(|family| family == old) {
        let text = format!(
            "to OpenMetrics \"{old}\" and \"{name}\" are one name, and no page can have both: leave out `was`"
        );
        errors.say(was.name.span(), text);
    }
}

fn labels(metric: &MetricItem, errors: &mut Errors) {
    let mut names = Names::new("label");
    for label in &metric.labels {
        let (name, at) = (label.ident.unraw().to_string(), label.ident.span());
        names.take(&name, at, &name, errors);
        scraper(&name, at, errors);
    }
    for label in &metric.labels {
        if let Some(was) = &label.was {
            let (name, old) = (label.ident.unraw().to_string(), was.name.value());
            names.take_old(&name, was, &name, errors);
            since(was, errors);
            scraper(&old, was.name.span(), errors);
            if syn::parse_str::<syn::Ident>(&format!("_{old}")).is_err()
                || old.starts_with(|c: char| c.is_ascii_digit())
            {
                let text = format!("\"{old}\" is no label name: letters, digits and underscores");
                errors.say(was.name.span(), text);
            }
        }
    }
}

fn scraper(label: &str, at: Span, errors: &mut Errors) {
    if SCRAPER.contains(&label) {
        errors.say(
            at,
            format!("`{label}` belongs to the scraper: choose another label name"),
        );
    }
}
