//! What holds for any input and across modules: one binary, one module per subject.

// Clippy knows test functions, but not the helpers beside them.
#![allow(clippy::unwrap_used)]

mod support;

mod chat;
mod chat_face;
mod chat_failures;
mod chat_retry;
mod chat_window;
mod check;
mod check_reports;
mod check_schema;
mod chunks;
mod collection;
mod commands;
mod crash;
mod demo;
mod embed_batcher;
#[cfg(feature = "candle")]
mod embed_model;
mod embed_server;
mod faiss_wrap;
mod faiss_wrap_filters;
mod faiss_wrap_refusals;
mod handbook;
mod hybrid;
mod index_conformance;
#[cfg(feature = "faiss")]
mod index_factory;
#[cfg(feature = "faiss")]
mod index_files;
#[cfg(feature = "faiss")]
mod index_flat;
#[cfg(feature = "faiss")]
mod index_life;
#[cfg(feature = "faiss")]
mod index_mapped;
#[cfg(feature = "faiss")]
mod index_misuse;
#[cfg(feature = "faiss")]
mod index_reopen;
mod indexes;
mod ingest;
mod kept;
mod life;
mod llm;
mod llm_span;
mod migrate;
#[cfg(feature = "milvus")]
mod milvus;
#[cfg(feature = "milvus")]
mod milvus_filters;
#[cfg(feature = "milvus")]
mod milvus_services;
#[cfg(feature = "milvus")]
mod milvus_words;
mod mutations;
mod pages;
mod real_llm;
mod schema;
mod settings;
mod store_transfer;
mod streams;
