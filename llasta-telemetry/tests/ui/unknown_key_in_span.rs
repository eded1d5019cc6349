//! A span lists a key that its namespace does not have.

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
        }
    }
}

fn main() {}
