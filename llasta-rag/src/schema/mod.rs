//! What these services say beyond the contract: the steps of hybrid retrieval, and the LLM server's
//! own span.
//!
//! The contract's tree stays as it is where retrieval is dense, which is the default; vLLM's span stands
//! under the request to it.

pub mod hybrid;
pub mod vllm;

use llasta_telemetry::schema::Schema;

/// The contract, and what these services say beyond it.
pub fn all() -> Schema {
    let mut schema = Schema::contract();
    for namespace in [&hybrid::NAMESPACE, &vllm::NAMESPACE] {
        // The contract has nothing called so; were it otherwise, the contract would hold.
        let _ = schema.add(namespace);
    }
    schema
}
