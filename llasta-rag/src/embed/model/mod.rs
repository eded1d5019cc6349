//! Neural models on the CPU: BERT and XLM-RoBERTa encoders, with the heads of bge-m3.

mod config;
mod files;
mod tokenizer;

pub use self::tokenizer::NeuralTokenizer;
