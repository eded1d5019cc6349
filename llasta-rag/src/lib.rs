//! The reference RAG crate, being built.

pub mod chunk;
pub mod embed;
pub mod index;
