//! The reference RAG crate of LLASTA.
//!
//! Two services that teams copy from and run, and what they are made of. In reading order:
//! [`chunk`] cuts documents, [`embed`] makes vectors of texts, [`index`] finds the nearest,
//! [`store`] keeps what was acknowledged, [`milvus`] does both in a cluster, [`generate`] speaks with an
//! LLM, [`pipeline`] puts them together, [`gpu`] is what the machine's GPUs say, [`schema`] is what they say
//! beyond the contract, [`api`] is what the services say over HTTP, [`service`] the services themselves.

pub mod api;
pub mod chunk;
mod device;
pub mod embed;
pub mod generate;
pub mod gpu;
pub mod index;
mod json;
pub mod milvus;
pub mod pipeline;
pub mod schema;
pub mod service;
pub mod store;

pub use self::device::Device;
