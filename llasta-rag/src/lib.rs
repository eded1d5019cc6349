//! The reference RAG crate.
