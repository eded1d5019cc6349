//! Texts to vectors.
//!
//! An [`Embedder`] turns texts into vectors of length 1 whose inner products say how alike the texts
//! are. It knows nothing of storage or search: those are [`store`](crate::store) and
//! [`index`](crate::index). Embedding is a blocking computation; from async code call it where
//! blocking is allowed.
//!
//! In reading order:
//! - [`Embedder`], the trait, and [`EmbedError`] (this file);
//! - `words.rs`: a text's words, their stems and how much they say;
//! - `lexical.rs`: [`LexicalEmbedder`], which needs no model and no download;
//! - `options.rs`: what can be chosen about a neural model, and all that it can give;
//! - `model/`: [`NeuralEmbedder`], BERT and XLM-RoBERTa on the CPU (feature `candle`; `absent.rs`
//!   stands in for it) and on GPUs (feature `cuda`);
//! - `tokens.rs`: [`TokenCounter`], which needs no weights;
//! - `openai.rs`: [`OpenAiEmbedder`], a model behind a server;
//! - `batcher.rs` and `cache.rs`: [`Batcher`] and [`QueryCache`], embedders around another one.

#[cfg(not(feature = "candle"))]
mod absent;
mod batcher;
mod cache;
mod lexical;
#[cfg(feature = "candle")]
mod model;
mod openai;
mod options;
mod tokens;
pub(crate) mod words;

#[cfg(not(feature = "candle"))]
pub use self::absent::{NeuralEmbedder, NeuralTokenizer};
pub use self::batcher::{BatchLimits, Batcher, Waiting};
pub use self::cache::QueryCache;
pub use self::lexical::LexicalEmbedder;
#[cfg(feature = "candle")]
pub use self::model::{NeuralEmbedder, NeuralTokenizer};
pub use self::openai::{OpenAiEmbedder, OpenAiOptions};
pub use self::options::{Embedding, Kinds, NeuralOptions, WeightType};
pub use self::tokens::{TokenCounter, token_counter};

use std::fmt;

use crate::Device;

/// Makes vectors of texts.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// The model's name. Vectors of different models cannot be compared.
    fn model(&self) -> &str;

    /// How many components each vector has.
    fn dimension(&self) -> usize;

    /// Where the model is run, never [`Device::Auto`]. A model behind a server takes nothing here but
    /// the CPU.
    fn device(&self) -> Device {
        Device::Cpu
    }

    /// One vector per text, in the same order, each of length 1. A text that says nothing (blank, or
    /// without a single letter or digit) gives the zero vector.
    ///
    /// # Errors
    ///
    /// A failing model.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// The vector of a text that is searched for and not stored. Some models treat the two
    /// differently, and a queue lets queries go first.
    ///
    /// # Errors
    ///
    /// A failing model.
    fn embed_query(&self, query: &str) -> Result<Vec<f32>, EmbedError> {
        let mut vectors = self.embed_queries(&[query])?;
        match (vectors.pop(), vectors.is_empty()) {
            (Some(vector), true) => Ok(vector),
            _ => Err(EmbedError::Model {
                model: self.model().to_owned(),
                message: "it did not give one vector for one text".to_owned(),
            }),
        }
    }

    /// Like [`embed_query`](Self::embed_query), for several at a time. A model that treats queries in
    /// its own way does so here.
    ///
    /// # Errors
    ///
    /// A failing model.
    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed(queries)
    }

    /// How many tokens the text has, without those that the model adds; words where there is no
    /// tokenizer.
    fn count_tokens(&self, text: &str) -> usize {
        words::words(text).len()
    }

    /// The most tokens, counted so, that the model reads of a text; `None` where it reads all.
    fn max_tokens(&self) -> Option<usize> {
        None
    }
}

/// Why an embedder could not be made or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// Too few components to tell texts apart.
    #[error(
        "a lexical embedder of {given} components cannot tell texts apart: give at least {least}"
    )]
    DimensionTooSmall {
        /// Components asked for.
        given: usize,
        /// The fewest allowed.
        least: usize,
    },
    /// A neural model in a build without them.
    #[error(
        "the embedding model {model:?} needs a build with the feature: cargo build -p llasta-rag --features {feature}; this build has llasta/lexical-hash-1024"
    )]
    NotCompiledIn {
        /// What was asked for.
        model: String,
        /// The feature to turn on.
        feature: &'static str,
    },
    /// Neither the built-in model nor a place where one could be.
    #[error(
        "there is no embedding model {given:?}: give llasta/lexical-hash-1024, or a folder with config.json and tokenizer.json, or a Hugging Face repository such as BAAI/bge-m3"
    )]
    UnknownModel {
        /// What was asked for.
        given: String,
    },
    /// A repository of the Hugging Face hub cannot be had.
    #[error("the embedding model {model} cannot be had from the Hugging Face hub: {message}")]
    Hub {
        /// The repository.
        model: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A file of the model is missing, damaged, or of a kind that cannot be run.
    #[error("the embedding model {model} cannot be loaded: {file}: {message}")]
    Checkpoint {
        /// The model's name.
        model: String,
        /// Which of its files.
        file: String,
        /// What is wrong with it.
        message: String,
    },
    /// An output that the model has no weights for.
    #[error(
        "the embedding model {model} gives no {output}: its files have no {file}; bge-m3 is a model that has it"
    )]
    NoHead {
        /// The model's name.
        model: String,
        /// What was asked for.
        output: &'static str,
        /// The file that is missing.
        file: &'static str,
    },
    /// A device that cannot run the model.
    #[error("the embedding model cannot be run on {device}: {message}")]
    Device {
        /// What was asked for.
        device: String,
        /// What is missing and what to do.
        message: String,
    },
    /// A device that was lost while it was in use. No call of this process will get it back.
    #[error(
        "{device}, which ran the embedding model, is lost: {message}; nothing that was acknowledged is: start the service again"
    )]
    Lost {
        /// Which one.
        device: String,
        /// What its driver says.
        message: String,
    },
    /// As many calls wait for the model as may.
    #[error(
        "the embedding model is busy: {waiting} calls wait for it; try again, or allow more with --embed-queue"
    )]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// A server that makes vectors could not be reached, refused, or made something else.
    #[error("the embedding server at {url} did not embed with {model}: {message}")]
    Server {
        /// The model's name there.
        model: String,
        /// Where it is.
        url: String,
        /// What went wrong.
        message: String,
    },
    /// The model failed.
    #[error("the embedding model {model} failed: {message}")]
    Model {
        /// The model's name.
        model: String,
        /// What it said.
        message: String,
    },
}

/// Scales a vector to length 1; the zero vector stays as it is.
pub fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}
