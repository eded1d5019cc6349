//! What something was called before is another name, which nothing else has, and has a version.

#![allow(unused_imports)]

use llasta_telemetry::schema::labels::Outcome;

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// What is owed.
        AMOUNT: "billing.amount" => f64 { was: "billing.amount" since "0.2.0" },
        /// What is paid.
        PAID: "billing.paid" => f64 { was: "billing.amount" since "soon" },
        /// Who owes it.
        DEBTOR: "billing.debtor" => str { was: "billing.customer" since "0.2" },
        /// Who pays it.
        PAYER: "billing.payer" => str { was: "billing.customer" since "0.2.0" },
    }

    spans {
        /// One bill being written.
        Write: "billing.write" internal { was: "billing.send" since "0.2.0"; }
        /// One bill being sent.
        Send: "billing.send" internal { was: "billing.mail"; }
    }

    metrics BillingMetrics {
        /// Bills.
        counter bills: "billing_bills_total" { outcome: Outcome was "outcome" since "0.2.0" } was("billing_bills" since "0.2.0"),
        /// Bills that wait.
        gauge waiting: "billing_waiting" { outcome: Outcome was "pod" since "0.2.0" } was("billing.waiting" since "0.2.0"),
    }
}

fn main() {}
