//! What can be chosen about a neural model, and what it can give besides one vector per text.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::Device;

/// In which type a model's weights are kept. On the CPU activations and sums are `f32` in any; on a GPU
/// activations have the type of the weights, and sums are `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightType {
    /// As trained: four bytes a weight.
    #[default]
    F32,
    /// The upper half of each `f32`: two bytes a weight, about three decimal digits.
    Bf16,
    /// Two bytes a weight, about three and a half decimal digits; on GPUs only.
    F16,
}

impl FromStr for WeightType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            _ => Err("give f32, bf16 or f16".to_owned()),
        }
    }
}

impl fmt::Display for WeightType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

/// How a neural model is run.
#[derive(Clone, Debug, Default)]
pub struct NeuralOptions {
    /// Where the model is run.
    pub device: Device,
    /// Type of the weights; `f32` on the CPU and `f16` on a GPU if not given.
    pub weights: Option<WeightType>,
    /// Threads of a forward pass on the CPU, and of the tokenizer; as many as there are cores if not
    /// given.
    pub threads: Option<NonZeroUsize>,
    /// Most tokens of one forward pass: [`BATCH_TOKENS`](Self::BATCH_TOKENS) or
    /// [`GPU_BATCH_TOKENS`](Self::GPU_BATCH_TOKENS) if not given. A longer text has a pass of its own.
    pub batch_tokens: Option<usize>,
}

impl NeuralOptions {
    /// Enough to keep the cores busy; more takes memory and no less time.
    pub const BATCH_TOKENS: usize = 4096;
    /// Large enough for a GPU's matrix units, and small enough that a search does not wait long behind
    /// a pass.
    pub const GPU_BATCH_TOKENS: usize = 16_384;
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
