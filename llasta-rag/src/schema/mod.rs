//! What these services say beyond the contract: the steps of hybrid retrieval, calls to Milvus, the GPUs in
//! use, and the LLM server's own span.
//!
//! The contract's tree stays as it is where retrieval is dense, which is the default. Calls to Milvus stand
//! under its spans, and vLLM's span under the request to it.

pub mod gpu;
pub mod hybrid;
pub mod milvus;
pub mod vllm;

use llasta_telemetry::schema::Schema;

/// The contract, and what these services say beyond it.
pub fn all() -> Schema {
    let mut schema = Schema::contract();
    for namespace in [
        &gpu::NAMESPACE,
        &hybrid::NAMESPACE,
        &milvus::NAMESPACE,
        &vllm::NAMESPACE,
    ] {
        // The contract has nothing called so; were it otherwise, the contract would hold.
        let _ = schema.add(namespace);
    }
    schema
}
