//! A span lists keys that are declared nowhere: here, or in the module that the path names.

use llasta_telemetry::schema::rag;

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// What is owed.
        AMOUNT: "billing.amount" => f64 { unit: "{euro}" },
    }

    spans {
        /// One bill being written.
        Write: "billing.write" internal {
            start: AMOUNTS;
            end: rag::TOPK;
            optional: TENANT;
        }
    }
}

fn main() {}
