//! Counts the heap allocations of a variant of the peers.

use std::process::ExitCode;

use llasta_benches::measure::{Meter, answer};
use llasta_peers::variants;

const ALLOCATIONS: Meter =
    Meter::allocations(|work| allocation_counter::measure(work).count_total as f64);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    answer(&words, &variants(), &[("allocations", ALLOCATIONS)]).unwrap_or(ExitCode::from(2))
}
