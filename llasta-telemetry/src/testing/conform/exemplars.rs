//! Exemplars: which trace to look at.

use std::collections::BTreeMap;

use super::finding::{FindingId, Findings, Signal};
use super::log::is_id;
use super::sums::counts_requests;
use crate::schema::http::ROUTE;
use crate::schema::labels::Outcome;
use crate::schema::{Instrument, Kind, LabelSet, MetricDef};
use crate::testing::CapturedSpan;
use crate::testing::page::{Family, Sample};

/// What a service recorded, as far as it was captured.
pub(super) struct Sampled<'a> {
    /// SERVER spans by their route.
    routes: BTreeMap<&'a str, f64>,
    /// Whether any of them has work under it.
    worked: bool,
}

impl<'a> Sampled<'a> {
    pub(super) fn of(spans: &'a [CapturedSpan], service: &str) -> Self {
        let mut sampled = Self {
            routes: BTreeMap::new(),
            worked: false,
        };
        for span in spans.iter().filter(|span| span.service == service) {
            if span.kind == Kind::Server.name()
                && let Some(route) = span.text(ROUTE.name())
            {
                *sampled.routes.entry(route).or_insert(0.0) += 1.0;
            }
            sampled.worked |= span.kind == Kind::Internal.name();
        }
        sampled
    }

    /// How many requests of an endpoint were recorded: it is the route, or the route without its
    /// slash.
    fn of_endpoint(&self, endpoint: &str) -> f64 {
        let same = |route: &str| route == endpoint || route.strip_prefix('/') == Some(endpoint);
        self.routes
            .iter()
            .filter(|(route, _)| same(route))
            .map(|(_, count)| count)
            .sum()
    }

    /// Whether a line that counts something counts something recorded. Without an endpoint that
    /// is only certain when all requests were recorded, as `all` says.
    fn counted_in(&self, line: &Sample, all: bool) -> bool {
        let status = line
            .labels
            .values()
            .any(|value| value == Outcome::Cancelled.text());
        match line
            .labels
            .values()
            .find(|value| self.of_endpoint(value) > 0.0)
        {
            _ if line.value == 0.0 || status => false,
            Some(_) => true,
            None => all && self.worked && !line.labels.contains_key(ENDPOINT),
        }
    }

    /// Whether every request that the page counts was recorded, as far as endpoints tell.
    pub(super) fn all(&self, requests: &Family) -> bool {
        let counted = |endpoint: &str| -> f64 {
            let of = |line: &&Sample| line.labels.values().any(|value| value == endpoint);
            requests
                .samples
                .iter()
                .filter(of)
                .map(|line| line.value)
                .sum()
        };
        let endpoints = requests
            .samples
            .iter()
            .filter_map(|line| line.labels.get(ENDPOINT));
        endpoints
            .filter(|endpoint| self.of_endpoint(endpoint) > 0.0)
            .all(|endpoint| self.of_endpoint(endpoint) >= counted(endpoint))
    }
}

/// The label that says which request it is.
const ENDPOINT: &str = "endpoint";

/// Histograms and request counters say which trace to look at, when one was recorded.
pub(super) fn there(
    def: &MetricDef,
    family: &Family,
    sampled: &Sampled<'_>,
    all: bool,
    findings: &mut Findings,
) {
    let histogram = def.instrument == Instrument::Histogram;
    if !histogram && !counts_requests(def) {
        return;
    }
    let counts = |line: &&Sample| !histogram || line.name.ends_with("_count");
    let counted = family
        .samples
        .iter()
        .filter(counts)
        .any(|line| sampled.counted_in(line, all));
    if counted && family.samples.iter().all(|line| line.exemplar.is_none()) {
        report(
            def.name,
            "counts requests that were recorded, and bears no exemplar",
            findings,
        );
    }
}

/// Each exemplar bears the ids of a span.
pub(super) fn formed(family: &Family, findings: &mut Findings) {
    for exemplar in family
        .samples
        .iter()
        .filter_map(|line| line.exemplar.as_ref())
    {
        for (name, digits) in [("trace_id", 32), ("span_id", 16)] {
            match exemplar.labels.get(name) {
                Some(id) if is_id(id, digits) => {}
                Some(id) => {
                    report(
                        &family.name,
                        format!("bears an exemplar with {name}={id:?}"),
                        findings,
                    );
                }
                None => report(
                    &family.name,
                    format!("bears an exemplar without `{name}`"),
                    findings,
                ),
            }
        }
    }
}

fn report(name: &str, message: impl Into<String>, findings: &mut Findings) {
    findings.violation(
        FindingId::MissingExemplar,
        Signal::Metric,
        name,
        message,
        "record it inside the span: `trace_id` of 32 hex digits and `span_id` of 16 go with it",
    );
}
