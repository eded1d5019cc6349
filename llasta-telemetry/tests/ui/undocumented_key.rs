//! Without a doc comment there is nothing to say in a reference. All of these are told at once.

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        AMOUNT: "billing.amount" => f64,
        /// Who owes it.
        DEBTOR: "billing.Debtor" => str,
        /// When.
        DUE: "billing.due" => u64,
    }

    spans {
        Write: "billing.write" internal {}
    }

    metrics BillingMetrics {
        counter bills: "billing_bills_total",
    }
}

fn main() {}
