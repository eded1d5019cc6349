//! The metrics page of one service.

use std::collections::{BTreeMap, BTreeSet};

use super::exemplars::{self, Sampled};
use super::finding::{FindingId, Findings, Signal};
use super::metrics::{self, compare, declared, report, undeclared};
use super::{cardinality, old, requests, sums, units};
use crate::schema::sdk::BuildMetrics;
use crate::schema::{Instrument, MetricDef, Owner, Schema, resource};
use crate::testing::page::{Family, Page};
use crate::testing::{AttributeValue, CapturedPage, CapturedSpan, PageFormat};

/// Compares a page with what its service has: all of its own metrics and of those that every
/// service has are there, and none of another service.
pub(super) fn check(
    schema: &Schema,
    captured: &CapturedPage,
    spans: &[CapturedSpan],
    findings: &mut Findings,
) {
    let page = match &captured.page {
        Ok(page) => page,
        Err(error) => return metrics::unreadable(error, findings),
    };
    let service = service(schema, captured, page);
    let foreign = |def: &MetricDef| {
        let namespace = schema.namespace_of_metric(def.name);
        namespace.is_some_and(|namespace| namespace.foreign)
    };
    let (others, own): (Vec<_>, Vec<_>) = schema.metrics_of(&service).partition(|def| foreign(def));
    for def in &own {
        declared(def, page, findings);
    }
    of_the_system(&others, page, findings);
    for family in &page.families {
        let Some(def) = old::metric(schema, &family.name) else {
            continue;
        };
        match schema
            .namespace_of_metric(def.name)
            .map(|namespace| namespace.owner)
        {
            Some(Owner::Anyone) => compare(def, family, findings),
            Some(Owner::Service(other)) if other != service => report(
                FindingId::WrongService,
                def.name,
                format!("is a metric of {other}, on the page of {service:?}"),
                "let each service have its own metrics",
                findings,
            ),
            _ => {}
        }
        units::check(def, family, captured.format, findings);
        label_values(family, findings);
        exemplars::formed(family, findings);
        if def.instrument == Instrument::Histogram {
            sums::histogram(family, findings);
        }
    }
    let known = requests::check(schema, &service, page, findings);
    undeclared(schema, page, &known, findings);
    sums::requests(page, &own, findings);
    build(&service, page, spans, findings);
    if captured.format == PageFormat::OpenMetrics {
        let sampled = Sampled::of(spans, &service);
        let mut requests = own.iter().filter(|def| sums::counts_requests(def));
        let all = requests
            .find_map(|def| page.family(def.name))
            .is_none_or(|family| sampled.all(family));
        for def in &own {
            if let Some(family) = page.family(def.name) {
                exemplars::there(def, family, &sampled, all, findings);
            }
        }
    }
}

/// Whose page it is: as was said, as it says itself, or whoever has most of its metrics.
pub(super) fn service(schema: &Schema, captured: &CapturedPage, page: &Page) -> String {
    let told = captured.service.clone();
    let says = || build_label(page, SERVICE);
    let looks = || {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for family in &page.families {
            let namespace = schema.namespace_of_metric(&family.name);
            if let Some(Owner::Service(name)) = namespace.map(|namespace| namespace.owner) {
                *seen.entry(name).or_default() += 1;
            }
        }
        let most = seen.into_iter().max_by_key(|(_, count)| *count);
        most.map(|(name, _)| name.to_owned())
    };
    told.or_else(says).or_else(looks).unwrap_or_default()
}

/// The labels of `llasta_build_info`.
const SERVICE: &str = "service";
const VERSION: &str = "version";

fn build_family(page: &Page) -> Option<(&'static MetricDef, &Family)> {
    let mut defs = BuildMetrics::DEFS.iter();
    defs.find_map(|def| Some((def, page.family(def.name)?)))
}

fn build_label(page: &Page, label: &str) -> Option<String> {
    let (_, family) = build_family(page)?;
    family
        .samples
        .iter()
        .find_map(|line| line.labels.get(label).cloned())
}

/// Which build it is: 1, of the service whose page this is, in the version its spans say.
fn build(service: &str, page: &Page, spans: &[CapturedSpan], findings: &mut Findings) {
    let Some((def, family)) = build_family(page) else {
        return;
    };
    let mut wrong =
        |id, message: String, advice: &str| report(id, def.name, message, advice, findings);
    if let Some(line) = family.samples.iter().find(|line| line.value != 1.0) {
        wrong(
            FindingId::WrongValue,
            format!("is {}", line.value),
            "write 1: the labels say it all",
        );
    }
    if let Some(says) = build_label(page, SERVICE).filter(|says| says != service) {
        wrong(
            FindingId::WrongService,
            format!("says the service {says:?}, on the page of {service:?}"),
            "name the service as its resource does",
        );
    }
    let versions: BTreeSet<_> = spans
        .iter()
        .filter(|span| span.service == service)
        .filter_map(|span| span.resource.get(resource::SERVICE_VERSION.name()))
        .filter_map(|version| match version {
            AttributeValue::String(version) => Some(version.clone()),
            _ => None,
        })
        .collect();
    if let Some(says) = build_label(page, VERSION)
        && !versions.is_empty()
        && !versions.contains(&says)
    {
        let spans: Vec<_> = versions.into_iter().collect();
        wrong(
            FindingId::WrongValue,
            format!("says the version {says:?}, the spans {}", spans.join(", ")),
            "take both from one place",
        );
    }
}

/// Metrics that the system has to tell, so not every page has them: none of them is worth a look,
/// and those that are there are as they are declared.
fn of_the_system(defs: &[&'static MetricDef], page: &Page, findings: &mut Findings) {
    let there = |def: &&&MetricDef| page.family(def.name).is_some();
    let prefix = |def: &MetricDef| {
        let word = def.name.split('_').next().unwrap_or_default();
        format!("{word}_")
    };
    let Some(first) = defs.first() else { return };
    let begins = |family: &Family| family.name.starts_with(&prefix(first));
    if !page.families.iter().any(begins) {
        findings.improvement(
            FindingId::MissingMetric,
            Signal::Metric,
            &format!("{}*", prefix(first)),
            "nothing on the page begins so",
            "let the Prometheus client library add them, where the system has them to tell",
        );
        return;
    }
    for def in defs.iter().filter(there) {
        declared(def, page, findings);
    }
    for def in defs.iter().filter(|def| !there(def)) {
        findings.information(
            FindingId::MissingMetric,
            Signal::Metric,
            def.name,
            "is not on the page, others of its kind are",
            "not every Prometheus client library has it",
        );
    }
}

/// No label has so many values that the page grows without end.
fn label_values(family: &Family, findings: &mut Findings) {
    // A build's version may be a commit: there is one of each.
    if family.name.ends_with("_info") {
        return;
    }
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in family.samples.iter().flat_map(|line| &line.labels) {
        if name != "le" && name != "quantile" {
            values.entry(name).or_default().insert(value);
        }
    }
    for (name, values) in values {
        let many = values.len() > cardinality::MOST_VALUES;
        let strange = || {
            values
                .iter()
                .find_map(|value| Some((value, cardinality::many(value)?)))
        };
        let message = if many {
            format!("has {} values of the label `{name}`", values.len())
        } else if let Some((value, why)) = strange() {
            format!("has a series with {name}={value:?}, which {why}")
        } else {
            continue;
        };
        let advice = "take the values of labels from the service's own configuration: few, and never from outside";
        report(
            FindingId::HighCardinality,
            &family.name,
            message,
            advice,
            findings,
        );
    }
}
