//! Neural models on the CPU: BERT and XLM-RoBERTa encoders, with the heads of bge-m3.
//!
//! In reading order:
//! - `files.rs`: where a model's files are, in a folder or on the Hugging Face hub;
//! - `config.rs`: what they say about the model;
//! - `tokenizer.rs`: texts to token ids;
//! - `weights.rs`: the tensors, one at a time;
//! - `encoder.rs`: token ids to a vector per token, on the arithmetic in `kernels/`;
//! - `embedder.rs`: [`NeuralEmbedder`], all of it together, with pooling and heads.

mod config;
mod embedder;
mod encoder;
mod files;
mod kernels;
mod tokenizer;
mod weights;

pub use self::embedder::NeuralEmbedder;
pub use self::tokenizer::NeuralTokenizer;
