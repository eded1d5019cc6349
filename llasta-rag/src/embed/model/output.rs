//! What a pass says of a text, before it is an [`Embedding`](super::super::Embedding).

use super::super::EmbedError;
use super::config::Config;
use super::files::Files;
use super::weights::Weights;

/// The file of the head for lexical weights.
pub(super) const SPARSE: &str = "sparse_linear.pt";
/// The file of the head for a vector per token.
pub(super) const MULTI_VECTOR: &str = "colbert_linear.pt";

/// What was asked for, of one text; the rest is empty.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// The pooled states, of any length.
    pub(super) pooled: Vec<f32>,
    /// Of each token.
    pub(super) weights: Vec<f32>,
    /// Of each token, one after the other.
    pub(super) vectors: Vec<f32>,
}

/// A linear layer after the encoder, as its file has it.
#[derive(Debug)]
pub(super) struct Head {
    /// A row for each column of the result.
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// The layer in a file of its own, if the checkpoint has it.
pub(super) fn head(
    files: &Files,
    file: &'static str,
    config: &Config,
    columns: usize,
) -> Result<Option<Head>, EmbedError> {
    let Some(weights) = Weights::of_head(files, file)? else {
        return Ok(None);
    };
    let weight = weights.get("weight", &[columns, config.hidden])?;
    let bias = if weights.has("bias") {
        weights.get("bias", &[columns])?
    } else {
        vec![0.0; columns]
    };
    Ok(Some(Head { weight, bias }))
}
