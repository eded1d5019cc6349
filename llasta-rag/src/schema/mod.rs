//! What these services say beyond the contract: the steps of hybrid retrieval.
//!
//! The contract's tree stays as it is where retrieval is dense, which is the default.

pub mod hybrid;

use llasta_telemetry::schema::Schema;

/// The contract, and what these services say beyond it.
pub fn all() -> Schema {
    let mut schema = Schema::contract();
    // The contract has nothing called so; were it otherwise, the contract would hold.
    let _ = schema.add(&hybrid::NAMESPACE);
    schema
}
