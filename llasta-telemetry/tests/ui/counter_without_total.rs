//! Prometheus' names for counters, and what else a metric must say.

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    metrics BillingMetrics {
        /// Bills.
        counter bills: "billing_bills",
        /// Seconds.
        histogram seconds: "billing_seconds",
        /// Bills that wait.
        gauge waiting: "billing_waiting" { pod: llasta_telemetry::schema::Text },
    }
}

fn main() {}
