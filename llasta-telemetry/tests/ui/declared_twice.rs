//! Whatever has a name has it alone, in Rust and on the wire.

#![allow(unused_imports)]

use llasta_telemetry::schema::labels::Outcome;

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// What is owed.
        AMOUNT: "billing.amount" => f64,
        /// What is paid.
        AMOUNT: "billing.paid" => f64,
        /// What is left.
        LEFT: "billing.left" => f64,
        /// Chunks, as elsewhere.
        TOP_K: "billing.top_k" => i64,
        /// How far it went.
        SCOPE: "billing.scope" => str,
    }

    spans {
        /// One bill being written.
        Write: "billing.write" internal {
            start: LEFT;
            end: LEFT;
            optional: TOP_K, llasta_telemetry::schema::rag::TOP_K, SCOPE;
        }
        /// One bill being written again.
        Rewrite: "billing.write" internal {}
        /// One bill being sent.
        Write: "billing.send" internal {}
    }

    metrics BillingMetrics {
        /// Bills.
        counter bills: "billing_bills_total" { outcome: Outcome, outcome: Outcome },
        /// Bills that wait.
        gauge bills: "billing_waiting",
        /// Bills that are late.
        gauge register: "billing_late",
    }

    metrics Write {
        /// Bills that are lost.
        gauge lost: "billing_lost",
    }
}

fn main() {}
