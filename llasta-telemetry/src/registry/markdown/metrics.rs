//! The metrics, by service.

use super::{cell, head, history};
use crate::schema::{LabelDef, LabelValues, MetricDef, Namespace, Owner, Schema};

pub(super) fn page(schema: &Schema) -> String {
    let mut page = head("Metrics");
    page += "\nEach service has them at `GET /metrics`, as Prometheus text or OpenMetrics.\n";
    let mut owners: Vec<(Owner, Vec<&'static Namespace>)> = Vec::new();
    for namespace in schema.namespaces() {
        if namespace.metrics.is_empty() {
            continue;
        }
        match owners
            .iter_mut()
            .find(|(owner, _)| *owner == namespace.owner)
        {
            Some((_, all)) => all.push(namespace),
            None => owners.push((namespace.owner, vec![namespace])),
        }
    }
    for (owner, namespaces) in owners {
        let title = match owner {
            Owner::Anyone => "Any service",
            Owner::Everyone => "Every service",
            Owner::Service(name) => name,
        };
        page += &format!("\n## {title}\n");
        for namespace in namespaces {
            page += &format!("\n{}\n\n", namespace.brief);
            let all: Vec<_> = namespace.metrics.iter().copied().flatten().collect();
            page += &table(&all);
        }
    }
    page
}

fn table(metrics: &[&MetricDef]) -> String {
    let mut text =
        String::from("| metric | type | unit | labels | HELP |\n|---|---|---|---|---|\n");
    for metric in metrics {
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{}`{}", label.name, history(label.was, None)))
            .collect();
        text += &format!(
            "| <a id=\"{0}\"></a>`{0}` | {1} | {2} | {3} | {4}{5} |\n",
            metric.name,
            metric.instrument.name(),
            metric
                .unit
                .map(|unit| format!("`{unit}`"))
                .unwrap_or_default(),
            labels.join(", "),
            cell(metric.brief),
            history(metric.was, metric.deprecated)
        );
    }
    let lines: Vec<_> = labels(metrics)
        .into_iter()
        .chain(buckets(metrics))
        .collect();
    if !lines.is_empty() {
        text += &format!("\n{}\n", lines.join("\n"));
    }
    text
}

/// The values of each label: once for all metrics that take the same.
fn labels(metrics: &[&MetricDef]) -> Vec<String> {
    let mut seen: Vec<&LabelDef> = Vec::new();
    for label in metrics.iter().flat_map(|metric| metric.labels) {
        let same = |other: &&LabelDef| other.name == label.name && values(other) == values(label);
        if !seen.iter().any(same) {
            seen.push(label);
        }
    }
    seen.iter()
        .map(|label| format!("- Label `{}`: {}", label.name, values(label)))
        .collect()
}

fn values(label: &LabelDef) -> String {
    match label.values {
        LabelValues::Closed(values) => {
            let all: Vec<_> = values
                .iter()
                .map(|value| format!("`{}`", cell(value)))
                .collect();
            all.join(", ")
        }
        LabelValues::Text => "a text from the service's configuration".to_owned(),
    }
}

/// The bounds of the buckets: once for all metrics that have the same.
fn buckets(metrics: &[&MetricDef]) -> Vec<String> {
    let mut sets: Vec<(&[f64], Vec<String>)> = Vec::new();
    for metric in metrics.iter().filter(|metric| !metric.buckets.is_empty()) {
        let name = format!("`{}`", metric.name);
        match sets
            .iter_mut()
            .find(|(bounds, _)| *bounds == metric.buckets)
        {
            Some((_, names)) => names.push(name),
            None => sets.push((metric.buckets, vec![name])),
        }
    }
    sets.into_iter()
        .map(|(bounds, names)| {
            let bounds: Vec<_> = bounds.iter().map(ToString::to_string).collect();
            format!("- Buckets of {}: {}", names.join(", "), bounds.join(", "))
        })
        .collect()
}
