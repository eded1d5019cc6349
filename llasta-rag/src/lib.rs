//! Retrieval-augmented generation, from files to answers.
//!
//! Each backend stands behind a trait or a plain function, and each step can be called, and so
//! measured, by itself. Nothing here knows of HTTP or telemetry.
//!
//! In the order in which a text passes through them:
//! - [`chunk`]: files to chunks;
//! - [`embed`]: texts to vectors;
//! - [`store`]: what was acknowledged, in SQLite;
//! - [`index`]: the nearest vectors, by FAISS or exactly;
//! - [`pipeline`]: the steps of retrieval and of building a prompt;
//! - [`generate`]: the conversation with an LLM, and a stand-in for one.
//!
//! ```
//! use std::sync::Arc;
//! use llasta_rag::embed::LexicalEmbedder;
//! use llasta_rag::index::IndexKind;
//! use llasta_rag::pipeline::{Collection, Item, build_context, filter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let embedder = Arc::new(LexicalEmbedder::default());
//! let collection = Collection::open(folder, embedder, IndexKind::Auto)?;
//! collection.upsert(vec![Item {
//!     id: "a".into(),
//!     text: "The agents receive traces on port 4317.".into(),
//!     metadata: Default::default(),
//! }])?;
//!
//! let query = collection.embed_query("Which port receives traces?")?;
//! let neighbours = collection.search_vector(&query, 5)?;
//! let results = filter(collection.fetch(&neighbours)?, 0.5);
//! let context = build_context(&results, 4000);
//! assert!(context.text.contains("4317"));
//! # Ok(())
//! # }
//! ```

pub mod chunk;
pub mod embed;
pub mod generate;
pub mod index;
pub mod pipeline;
pub mod store;
