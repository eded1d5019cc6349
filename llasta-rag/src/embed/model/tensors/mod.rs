//! The same models on tensors of `candle`, for GPUs.
//!
//! Written for what costs time there: matrix products are nearly free beside whatever reads and writes
//! all states, and every step that is no product is one of `candle`'s fused ones (layer norm, softmax,
//! GELU) or a plain sum. The code does not know what device it is on, and is tested on the CPU.
//!
//! In reading order:
//! - `pack.rs`: how the texts of a pass lie one after the other, tight or in groups of like lengths;
//! - `layers.rs`: the weights, arranged so that biases, scale and mask are part of the products;
//! - `attention.rs`: attention of a group, with as many scores at a time as there is room for, and
//!   `tight.rs`: attention of all texts in one kernel, with the feature `flash-attn`;
//! - `encoder.rs`: token ids to a vector per token;
//! - this file: [`TensorModel`], the encoder with its pooling and heads.

mod attention;
mod encoder;
mod layers;
mod pack;
mod tight;

use candle_core::{DType, Device, Result, Tensor};

use super::super::{EmbedError, Kinds, WeightType};
use super::config::{Config, Pooling};
use super::files::Files;
use super::output::{MULTI_VECTOR, Output, SPARSE};
use super::weights::Weights;
use encoder::Encoder;
pub(super) use encoder::{memory, most_rows};
pub(super) use pack::Layout;
use pack::Packed;

/// An encoder on a device of `candle`'s, with the heads of its checkpoint.
#[derive(Debug)]
pub(super) struct TensorModel {
    encoder: Encoder,
    sparse: Option<Head>,
    multi_vector: Option<Head>,
    pooling: Pooling,
    first_position: usize,
    dtype: DType,
}

/// A linear layer after the encoder. Small, and what it gives is compared with a threshold: `f32` with
/// any type of the weights.
#[derive(Debug)]
struct Head {
    weight: Tensor,
    bias: Tensor,
}

impl Layout {
    /// The faster of those that can be had: the kernel is of this build, of GPUs from Ampere on, in half
    /// precision and for heads of whole groups of eight components.
    pub(super) fn on_gpu(ampere: bool, weights: WeightType, config: &Config) -> Self {
        let size = config.hidden / config.heads;
        let half = weights != WeightType::F32;
        if cfg!(feature = "flash-attn") && ampere && half && size.is_multiple_of(8) && size <= 256 {
            Self::Tight
        } else {
            Self::Groups
        }
    }
}

/// What `candle` calls the type.
pub(super) fn dtype(weights: WeightType) -> DType {
    match weights {
        WeightType::F32 => DType::F32,
        WeightType::Bf16 => DType::BF16,
        WeightType::F16 => DType::F16,
    }
}

impl TensorModel {
    pub(super) fn read(
        files: &Files,
        config: &Config,
        device: &Device,
        dtype: DType,
        layout: Layout,
    ) -> std::result::Result<Self, EmbedError> {
        let head = |file, columns| Head::read(files, file, config, columns, device);
        Ok(Self {
            encoder: Encoder::read(&Weights::of_encoder(files)?, config, device, dtype, layout)?,
            sparse: head(SPARSE, 1)?,
            multi_vector: head(MULTI_VECTOR, config.hidden)?,
            pooling: config.pooling,
            first_position: config.first_position,
            dtype,
        })
    }

    pub(super) fn has_sparse(&self) -> bool {
        self.sparse.is_some()
    }

    pub(super) fn has_multi_vector(&self) -> bool {
        self.multi_vector.is_some()
    }

    /// Whether the device still does what it is told.
    pub(super) fn answers(&self) -> Result<()> {
        let one = Tensor::ones(1, DType::F32, self.encoder.device())?;
        (one + 1.0)?.to_vec1::<f32>().map(drop)
    }

    /// One pass. No text is empty or longer than there are positions.
    pub(super) fn run(&self, texts: &[&[u32]], kinds: Kinds) -> Result<Vec<Output>> {
        let packed = Packed::new(texts, self.first_position, self.encoder.layout());
        let mut outputs: Vec<_> = texts.iter().map(|_| Output::default()).collect();
        let first_only = self.pooling == Pooling::Cls && !kinds.sparse && !kinds.multi_vector;
        let states = self.encoder.run(&packed, first_only)?;
        if kinds.dense {
            let pooled = match self.pooling {
                Pooling::Cls if first_only => rows(&states)?,
                Pooling::Cls => rows(&self.firsts(&states, &packed)?)?,
                Pooling::Mean if self.encoder.layout() == Layout::Tight => {
                    rows(&self.encoder.mean(&states, &packed)?)?
                }
                Pooling::Mean => rows(&self.mean(&states, texts, &packed)?)?,
                Pooling::Max => largest(&states, texts, &packed)?,
            };
            for (&text, vector) in packed.order.iter().zip(pooled) {
                outputs[text].pooled = vector;
            }
        }
        if let Some(head) = self.sparse.as_ref().filter(|_| kinds.sparse) {
            let weights = head.run(&states)?.flatten_all()?.to_vec1::<f32>()?;
            for (&text, first) in packed.order.iter().zip(packed.firsts()) {
                outputs[text].weights = weights[first..first + texts[text].len()].to_vec();
            }
        }
        if let Some(head) = self.multi_vector.as_ref().filter(|_| kinds.multi_vector) {
            let hidden = states.dim(1)?;
            let vectors = head.run(&states)?.flatten_all()?.to_vec1::<f32>()?;
            for (&text, first) in packed.order.iter().zip(packed.firsts()) {
                let end = first + texts[text].len();
                outputs[text].vectors = vectors[first * hidden..end * hidden].to_vec();
            }
        }
        Ok(outputs)
    }

    fn firsts(&self, states: &Tensor, packed: &Packed) -> Result<Tensor> {
        let rows: Vec<_> = packed.firsts().map(|row| row as u32).collect();
        states.index_select(&Tensor::from_slice(&rows, rows.len(), states.device())?, 0)
    }

    /// The mean of each text's states, in groups: a product with the share that each has in it.
    fn mean(&self, states: &Tensor, texts: &[&[u32]], packed: &Packed) -> Result<Tensor> {
        let hidden = states.dim(1)?;
        let mut means = Vec::with_capacity(packed.groups.len());
        for group in &packed.groups {
            let count = group.texts.len();
            let mut shares = vec![0.0; count * group.rows];
            for (place, &text) in packed.order[group.texts.clone()].iter().enumerate() {
                let length = texts[text].len();
                shares[place * group.rows..][..length].fill(1.0 / length as f32);
            }
            let shares = Tensor::from_vec(shares, (count, 1, group.rows), &Device::Cpu)?
                .to_dtype(self.dtype)?
                .to_device(states.device())?;
            let states = states
                .narrow(0, group.first, count * group.rows)?
                .reshape((count, group.rows, hidden))?;
            means.push(shares.matmul(&states)?.squeeze(1)?);
        }
        Tensor::cat(&means, 0)
    }
}

/// The largest of each component. Few models do so, and it costs no more than taking all states home.
fn largest(states: &Tensor, texts: &[&[u32]], packed: &Packed) -> Result<Vec<Vec<f32>>> {
    let states = rows(states)?;
    let all = packed
        .order
        .iter()
        .zip(packed.firsts())
        .map(|(&text, first)| {
            let mut most = states[first].clone();
            for row in &states[first + 1..first + texts[text].len()] {
                for (most, &value) in most.iter_mut().zip(row) {
                    *most = most.max(value);
                }
            }
            most
        });
    Ok(all.collect())
}

fn rows(tensor: &Tensor) -> Result<Vec<Vec<f32>>> {
    tensor.to_dtype(DType::F32)?.to_vec2::<f32>()
}

impl Head {
    fn read(
        files: &Files,
        file: &'static str,
        config: &Config,
        columns: usize,
        device: &Device,
    ) -> std::result::Result<Option<Self>, EmbedError> {
        let Some(head) = super::output::head(files, file, config, columns)? else {
            return Ok(None);
        };
        let tensor = |values: Vec<f32>, shape: (usize, usize)| {
            Tensor::from_vec(values, shape, device).map_err(|error| {
                files.damaged(file, format!("it cannot be taken to the device: {error}"))
            })
        };
        Ok(Some(Self {
            weight: tensor(head.weight, (columns, config.hidden))?,
            bias: tensor(head.bias, (1, columns))?,
        }))
    }

    fn run(&self, states: &Tensor) -> Result<Tensor> {
        let out = states.to_dtype(DType::F32)?.matmul(&self.weight.t()?)?;
        out.broadcast_add(&self.bias)
    }
}

#[cfg(test)]
mod tests;
