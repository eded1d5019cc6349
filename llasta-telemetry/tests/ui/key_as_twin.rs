//! A key's twin is a definition of `schema::twins`, which says how the value is written there.

use llasta_telemetry::schema::otel;

llasta_telemetry::schema! {
    /// Bills.
    namespace billing;

    keys {
        /// The model that checked it.
        CHECK: "billing.check" => str { twin: otel::REQUEST_MODEL },
    }
}

fn main() {}
