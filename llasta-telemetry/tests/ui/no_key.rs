//! A span lists what is no key.

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    spans {
        /// One bill being written.
        Write: "billing.write" internal {
            start: String;
            twin: llasta_telemetry::schema::otel = "write";
        }
    }
}

fn main() {}
