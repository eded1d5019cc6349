//! What cannot be read hides nothing of what comes after it.

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// What is owed.
        AMOUNT: "billing.amount" = f64,
        /// What is paid.
        PAID: "billing.paid" => f64 { units: "{euro}" },
        /// Who owes it.
        DEBTOR: "billing.debtor",
        NOTE: "billing.note" => str,
    }

    spans {
        /// One bill being written.
        Write: "billing.write" internal { begin: AMOUNT; }
        /// One bill being sent.
        Send: "billing.send" inside {}
    }

    metrics BillingMetrics {
        /// Bills.
        counter bills: "billing_bills_total" bucket(&[1.0]),
    }
}

fn main() {}
