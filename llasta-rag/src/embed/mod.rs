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
//! - `lexical.rs`: [`LexicalEmbedder`], which needs no model and no download.

mod lexical;
pub(crate) mod words;

pub use self::lexical::LexicalEmbedder;

use std::fmt;

/// Makes vectors of texts.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// The model's name. Vectors of different models cannot be compared.
    fn model(&self) -> &str;

    /// How many components each vector has.
    fn dimension(&self) -> usize;

    /// One vector per text, in the same order, each of length 1. A text that says nothing (blank, or
    /// without a single letter or digit) gives the zero vector.
    ///
    /// # Errors
    ///
    /// A failing model.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;
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
