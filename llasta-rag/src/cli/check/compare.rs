//! What differs, and whom it concerns.

use std::collections::BTreeSet;

use llasta_telemetry::Names;
use llasta_telemetry::schema::{Owner, Schema, resource};
use llasta_telemetry::testing::Evidence;
use llasta_telemetry::testing::conform::{self, Finding, Signal};
use serde::Serialize;
use serde_json::Value;

/// A finding, and the services it was made on.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Placed {
    #[serde(flatten)]
    pub(super) finding: Finding,
    /// None when it is about no service, or about how several fit together.
    pub(super) services: Vec<String>,
}

impl Placed {
    pub(super) fn nowhere(finding: Finding) -> Self {
        Self {
            finding,
            services: Vec::new(),
        }
    }
}

/// Everything that differs, the most severe first.
pub(super) fn findings(schema: &Schema, evidence: &Evidence, names: Names) -> Vec<Placed> {
    let all = conform::check(schema, evidence, names);
    if all.is_empty() {
        return Vec::new();
    }
    // What is found on a service when it is looked at alone is about that service.
    let alone: Vec<_> = services(evidence)
        .into_iter()
        .map(|service| {
            let findings = conform::check(schema, &of_service(evidence, &service), names);
            (service, findings)
        })
        .collect();
    all.into_iter()
        .map(|finding| {
            let services: Vec<_> = alone
                .iter()
                .filter(|(_, findings)| findings.contains(&finding))
                .map(|(service, _)| service.clone())
                .collect();
            let services = if services.is_empty() {
                by_name(schema, evidence, &finding)
            } else {
                services
            };
            Placed { finding, services }
        })
        .collect()
}

/// Whoever has what a finding names.
fn by_name(schema: &Schema, evidence: &Evidence, finding: &Finding) -> Vec<String> {
    let services: BTreeSet<String> = match finding.signal {
        Signal::Span => evidence
            .spans
            .iter()
            .filter(|span| span.name == finding.name)
            .map(|span| span.service.clone())
            .collect(),
        Signal::Metric => schema
            .namespace_of_metric(&finding.name)
            .and_then(|namespace| match namespace.owner {
                Owner::Service(name) => Some(name.to_owned()),
                _ => None,
            })
            .into_iter()
            .collect(),
        Signal::Resource => services(evidence)
            .into_iter()
            .filter(|service| *service == finding.name)
            .collect(),
        _ => BTreeSet::new(),
    };
    services.into_iter().collect()
}

/// Whoever said something.
pub(super) fn services(evidence: &Evidence) -> BTreeSet<String> {
    let spans = evidence.spans.iter().map(|span| span.service.clone());
    let pages = evidence
        .pages
        .iter()
        .filter_map(|page| page.service.clone());
    let logs = evidence.logs.iter().map(|log| log.service.clone());
    let lines = evidence.lines.iter().filter_map(|line| said_by(line));
    let mut all: BTreeSet<_> = spans.chain(pages).chain(logs).chain(lines).collect();
    all.remove("");
    all
}

fn of_service(evidence: &Evidence, service: &str) -> Evidence {
    let spans = evidence.spans.iter();
    let logs = evidence.logs.iter();
    let lines = evidence.lines.iter();
    let own = Evidence::new()
        .spans(spans.filter(|span| span.service == service).cloned())
        .logs(logs.filter(|log| log.service == service).cloned())
        .lines(lines.filter(|line| said_by(line).as_deref() == Some(service)));
    let pages = evidence.pages.iter();
    pages
        .filter(|page| page.service.as_deref() == Some(service))
        .cloned()
        .fold(own, Evidence::page)
}

/// The service that wrote a line.
pub(super) fn said_by(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let name = line.get(resource::SERVICE_NAME.name())?;
    Some(name.as_str()?.to_owned())
}
