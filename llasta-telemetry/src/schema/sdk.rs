//! Telemetry about telemetry, in every service.

use super::Text;
use super::labels::ExportResult;

crate::schema! {
    /// Metrics about the telemetry itself.
    namespace llasta of everyone;

    metrics SdkMetrics {
        /// Spans by what became of them.
        counter spans: "llasta_telemetry_spans_total" { result: ExportResult },
        /// Spans waiting to be exported.
        gauge export_queue_length: "llasta_telemetry_export_queue_length",
        /// Spans that can wait to be exported.
        gauge export_queue_capacity: "llasta_telemetry_export_queue_capacity",
    }

    metrics BuildMetrics {
        /// Always 1; the labels say which build this is.
        gauge build_info: "llasta_build_info" { service: Text, version: Text },
    }
}
