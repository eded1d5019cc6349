//! What can be chosen about a neural model, and what it can give besides one vector per text.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// In which type a model's weights are kept. Activations and sums are `f32` in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightType {
    /// As trained: four bytes a weight.
    #[default]
    F32,
    /// The upper half of each `f32`: two bytes a weight, about three decimal digits.
    Bf16,
}

impl FromStr for WeightType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err("give f32 or bf16".to_owned()),
        }
    }
}

impl fmt::Display for WeightType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// How a neural model is run.
#[derive(Clone, Debug)]
pub struct NeuralOptions {
    /// Type of the weights.
    pub weights: WeightType,
    /// Threads of a forward pass; as many as there are cores if not given.
    pub threads: Option<NonZeroUsize>,
    /// Most tokens of one forward pass. A longer text has a pass of its own.
    pub batch_tokens: usize,
}

impl NeuralOptions {
    /// Enough to keep the cores busy; more takes memory and no less time.
    pub const BATCH_TOKENS: usize = 4096;
}

impl Default for NeuralOptions {
    fn default() -> Self {
        Self {
            weights: WeightType::F32,
            threads: None,
            batch_tokens: Self::BATCH_TOKENS,
        }
    }
}

/// Which outputs are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// One vector per text.
    pub dense: bool,
    /// A weight per token id.
    pub sparse: bool,
    /// One vector per token.
    pub multi_vector: bool,
}

impl Kinds {
    /// One vector per text and nothing else.
    pub const DENSE: Self = Self {
        dense: true,
        sparse: false,
        multi_vector: false,
    };
    /// All that bge-m3 gives.
    pub const ALL: Self = Self {
        dense: true,
        sparse: true,
        multi_vector: true,
    };
}

/// What a model says of one text. Outputs that were not asked for are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding {
    /// `dimension` components of length 1 together; all zero for a text that says nothing.
    pub dense: Vec<f32>,
    /// Token ids in rising order, each with its lexical weight, which is above 0. Two texts match by
    /// the sum of the products over the ids that both have.
    pub sparse: Vec<(u32, f32)>,
    /// A vector of length 1 for each token after the first, end token included. Two texts match by
    /// the mean over one's tokens of the largest inner product with the other's.
    pub multi_vector: Vec<Vec<f32>>,
    /// Tokens that were read, with those that the model adds.
    pub tokens: usize,
    /// Tokens that were cut off because the text is longer than the model reads.
    pub truncated: usize,
}
