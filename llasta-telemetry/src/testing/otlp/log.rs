//! Log records as they came over OTLP.

use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, SeverityNumber};

use crate::testing::captured::{attributes, hex, inner, json, service};
use crate::testing::{AttributeValue, CapturedLog};

/// The records of one resource.
pub(super) fn captured(logs: &ResourceLogs) -> Vec<CapturedLog> {
    let resource = logs
        .resource
        .as_ref()
        .map(|resource| attributes(&resource.attributes))
        .unwrap_or_default();
    let service = service(&resource);
    let records = logs.scope_logs.iter().flat_map(|scope| &scope.log_records);
    records
        .map(|record| CapturedLog {
            service: service.clone(),
            severity: severity(record),
            body: record
                .body
                .as_ref()
                .map(inner)
                .map(body)
                .unwrap_or_default(),
            trace_id: id(&record.trace_id),
            span_id: id(&record.span_id),
            attributes: attributes(&record.attributes),
            resource: resource.clone(),
        })
        .collect()
}

/// The word the service used, or else OpenTelemetry's for the number.
fn severity(record: &LogRecord) -> String {
    if !record.severity_text.is_empty() {
        return record.severity_text.clone();
    }
    match record.severity_number() {
        SeverityNumber::Unspecified => "",
        number => number.as_str_name().trim_start_matches("SEVERITY_NUMBER_"),
    }
    .to_owned()
}

fn body(value: AttributeValue) -> String {
    match value {
        AttributeValue::String(text) => text,
        other => json(&other).to_string(),
    }
}

/// Outside of a span both ids are empty, or zeros.
fn id(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| hex(bytes))
}
