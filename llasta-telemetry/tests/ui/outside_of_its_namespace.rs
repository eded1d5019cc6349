//! A namespace declares only names of its own; those of others are in a schema of their own.

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// What is owed.
        AMOUNT: "bill.amount" => f64,
        /// Who owes it.
        DEBTOR: "debtor" => str,
        /// Who is served.
        TENANT: "billing.tenant.id" => str,
    }
}

mod theirs {
    llasta_telemetry::schema! {
        /// What others define may lie anywhere.
        foreign namespace cloud;

        keys {
            /// Where it runs.
            REGION: "region" => str,
        }
    }
}

fn main() {}
