//! Neural models: BERT and XLM-RoBERTa encoders, with the heads of bge-m3.
//!
//! In reading order:
//! - `files.rs`: where a model's files are, in a folder or on the Hugging Face hub;
//! - `config.rs`: what they say about the model;
//! - `tokenizer.rs`: texts to token ids;
//! - `weights.rs`: the tensors, one at a time;
//! - `encoder.rs` and `host.rs`: the model on the CPU, on the arithmetic in `kernels/`;
//! - `tensors/`: the model on tensors of `candle`, for GPUs;
//! - `gpu.rs`: whether a GPU can be used (feature `cuda`; `no_gpu.rs` stands in for it);
//! - `backend.rs`: one of the two, as was asked for, `passes.rs`, what a GPU may do to a pass, and
//!   `output.rs`, what either gives;
//! - `embedder.rs`: [`NeuralEmbedder`], all of it together.

mod backend;
mod config;
mod embedder;
mod encoder;
mod files;
#[cfg(feature = "cuda")]
mod gpu;
#[cfg(not(feature = "cuda"))]
#[path = "no_gpu.rs"]
mod gpu;
mod host;
mod kernels;
mod output;
mod passes;
mod tensors;
mod tokenizer;
mod weights;

pub use self::embedder::NeuralEmbedder;
pub use self::tokenizer::NeuralTokenizer;
