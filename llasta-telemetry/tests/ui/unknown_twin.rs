//! A twin that is declared nowhere.

use llasta_telemetry::schema::{otel, twins};

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// The model that wrote it.
        MODEL: "billing.model" => str { twin: twins::REQUEST_MODELS },
    }

    spans {
        /// One bill being written.
        Write: "billing.write" internal {
            start: MODEL;
            twin: otel::OPERATION = "write";
        }
    }
}

fn main() {}
