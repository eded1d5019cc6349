//! What other crates' telemetry costs and reports, beside this SDK's.
//!
//! [`variants`] are measured by the program of `llasta-benches`; [`facts`] runs each peer against a
//! stream and a client that hangs up, and prints what it said of them.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod client;
pub mod facts;
mod metrics;
mod sink;
mod spans;
mod stack;

use llasta_benches::measure::Variant;

/// Every variant of the peers, and before those of each group its base.
pub fn variants() -> Vec<Variant> {
    [
        stack::variants(),
        client::variants(),
        spans::variants(),
        metrics::observations_variants(),
        metrics::pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
