//! The request metrics that a service has from the layer under its own prefix.

use super::finding::Findings;
use super::metrics::compare;
use crate::schema::requests::{Names, definitions};
use crate::schema::{Instrument, MetricDef, Schema};
use crate::testing::page::{Family, Page};

/// Compares those that are on the page with what the layer would record; gives their names. The
/// buckets are the service's own choice.
pub(super) fn check(
    schema: &Schema,
    service: &str,
    page: &Page,
    findings: &mut Findings,
) -> Vec<&'static str> {
    let names = Names::of(service);
    let usual = definitions(&names, &[]);
    let mut known = Vec::new();
    for (at, def) in usual.into_iter().enumerate() {
        if schema.metric(def.name).is_some() {
            continue;
        }
        if let Some(family) = page.family(def.name) {
            let def = match def.instrument {
                Instrument::Histogram => definitions(&names, &bounds(def, family))[at],
                _ => def,
            };
            compare(def, family, findings);
            known.push(def.name);
        }
    }
    known
}

/// The finite bounds of the family's first series.
fn bounds(def: &MetricDef, family: &Family) -> Vec<f64> {
    let bucket = format!("{}_bucket", def.name);
    let mut bounds = Vec::new();
    for line in family.samples.iter().filter(|line| line.name == bucket) {
        match line.labels.get("le").map(|bound| bound.parse()) {
            Some(Ok(bound)) if f64::is_finite(bound) => bounds.push(bound),
            _ => break,
        }
    }
    bounds
}
