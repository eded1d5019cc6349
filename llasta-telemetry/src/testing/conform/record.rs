//! Log records that came over OTLP.

use super::attributes;
use super::finding::{FindingId, Findings, Signal};
use super::log::is_id;
use crate::schema::{Schema, resource};
use crate::testing::CapturedLog;

/// A record says who wrote it, how much it matters, and which span it belongs to, if to any.
pub(super) fn check(schema: &Schema, record: &CapturedLog, findings: &mut Findings) {
    let service = resource::SERVICE_NAME.name();
    if record.service.is_empty() {
        findings.violation(
            FindingId::MissingLogField,
            Signal::Log,
            service,
            "is missing in the resource of a log record",
            "name the service in code, or by OTEL_SERVICE_NAME",
        );
    }
    if record.severity.is_empty() {
        findings.violation(
            FindingId::MissingLogField,
            Signal::Log,
            "level",
            "is missing: the record has no severity text",
            "write ERROR, WARN, INFO, DEBUG or TRACE",
        );
    }
    for (field, id, digits, other) in [
        ("trace_id", &record.trace_id, 32, &record.span_id),
        ("span_id", &record.span_id, 16, &record.trace_id),
    ] {
        match id {
            None if other.is_some() => findings.violation(
                FindingId::MissingLogField,
                Signal::Log,
                field,
                "is missing beside the other id",
                "write both ids, or none outside of a span",
            ),
            Some(id) if !is_id(id, digits) => findings.violation(
                FindingId::MalformedLogField,
                Signal::Log,
                field,
                format!("is written otherwise, as in {id:?}"),
                "write the ids of the span, or none outside of a span",
            ),
            _ => {}
        }
    }
    attributes::known(
        schema,
        Signal::Log,
        &record.service,
        &record.attributes,
        findings,
    );
}
