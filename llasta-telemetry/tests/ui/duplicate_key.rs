//! Two keys of one name, and two metrics.

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// What is owed.
        AMOUNT: "billing.amount" => f64,
        /// What is owed, again.
        TOTAL: "billing.amount" => f64,
    }

    metrics BillingMetrics {
        /// Bills.
        counter bills: "billing_bills_total",
        /// Bills, again.
        counter more_bills: "billing_bills_total",
    }
}

fn main() {}
