//! The encoder: token ids to one vector per token.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::layer_norm;

use super::super::super::EmbedError;
use super::super::config::Config;
use super::super::weights::Weights;
use super::attention::Heads;
use super::layers::{Layer, Norm, Reader};
use super::pack::{EXTRA, Group, Packed};

/// Bytes of the scores that are in memory at a time. More is a little faster, and no longer a little
/// memory.
const SCORES: usize = 256 << 20;

/// A BERT or XLM-RoBERTa encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    words: Tensor,
    positions: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    /// Of each layer.
    heads: usize,
    attention: Heads,
    hidden: usize,
}

impl Encoder {
    pub(super) fn read(
        weights: &Weights<'_>,
        config: &Config,
        device: &Device,
        dtype: DType,
    ) -> std::result::Result<Self, EmbedError> {
        let reader = Reader {
            weights,
            config,
            device,
            dtype,
        };
        Ok(Self {
            words: reader.table("embeddings.word_embeddings.weight", config.vocabulary)?,
            positions: reader.positions()?,
            norm: reader.norm("embeddings.LayerNorm", &reader.attention_bias(0)?)?,
            layers: (0..config.layers)
                .map(|index| reader.layer(index))
                .collect::<std::result::Result<_, _>>()?,
            heads: config.heads,
            attention: Heads {
                size: config.hidden / config.heads,
                room: SCORES / dtype.size_in_bytes(),
            },
            hidden: config.hidden,
        })
    }

    /// The hidden states of the last layer: a row for each of the pass's, or, with `first_only`, one for
    /// each text in the pass's order.
    pub(super) fn run(&self, packed: &Packed, first_only: bool) -> Result<Tensor> {
        let device = self.words.device();
        let row = |values: &[u32]| Tensor::from_slice(values, values.len(), device);
        let words = self.words.index_select(&row(&packed.ids)?, 0)?;
        let positions = self.positions.index_select(&row(&packed.positions)?, 0)?;
        let extra = self.extra(&packed.extra)?;
        let mut states = self.norm.run(&(words + positions)?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let last = index + 1 == self.layers.len();
            states = if last && first_only {
                self.last_layer(layer, &states, &extra, packed)?
            } else {
                let wide = Tensor::cat(&[&states, &extra], 1)?;
                let attended = self.attend(layer, &wide, &packed.groups, None)?;
                layer.finish(&states, &attended, &extra)?
            };
        }
        Ok(states)
    }

    /// The last layer where only the first token of each text is wanted: all tokens give keys and
    /// values, but only those ask.
    fn last_layer(
        &self,
        layer: &Layer,
        states: &Tensor,
        extra: &Tensor,
        packed: &Packed,
    ) -> Result<Tensor> {
        let wide = Tensor::cat(&[states, extra], 1)?;
        let attended = self.attend(layer, &wide, &packed.groups, Some(1))?;
        let rows: Vec<_> = packed.firsts().map(|row| row as u32).collect();
        let rows = Tensor::from_slice(&rows, rows.len(), states.device())?;
        layer.finish(
            &states.index_select(&rows, 0)?,
            &attended,
            &extra.index_select(&rows, 0)?,
        )
    }

    /// What attention adds to each state, without its bias; of each text only the first `queries` rows.
    fn attend(
        &self,
        layer: &Layer,
        wide: &Tensor,
        groups: &[Group],
        queries: Option<usize>,
    ) -> Result<Tensor> {
        let hidden = self.hidden;
        let mut parts = Vec::with_capacity(groups.len());
        for group in groups {
            let (texts, rows) = (group.texts.len(), group.rows);
            let asking = queries.unwrap_or(rows);
            let states = wide.narrow(0, group.first, texts * rows)?.reshape((
                texts,
                rows,
                hidden + EXTRA,
            ))?;
            // (texts, rows of all heads, tokens): each head's block is read where it lies.
            let heads = spread(&layer.attention, texts)?.matmul(&states.transpose(1, 2)?)?;
            let heads = heads.reshape((texts * self.heads, self.attention.rows(), rows))?;
            let context = self.attention.attend(&heads, asking)?;
            let weights = layer.attention_out.t()?;
            parts.push(if asking == 1 {
                context.reshape((texts, hidden))?.matmul(&weights)?
            } else {
                let context = context.reshape((texts, hidden, asking))?.transpose(1, 2)?;
                // On the CPU candle takes the rows of a batch that is multiplied by one matrix for
                // neighbours, also where they are turned.
                let context = match context.device() {
                    Device::Cpu => context.contiguous()?,
                    _ => context,
                };
                let out = context.matmul(&spread(&weights, texts)?)?;
                out.reshape((texts * asking, hidden))?
            });
        }
        Tensor::cat(&parts, 0)
    }

    fn extra(&self, values: &[f32]) -> Result<Tensor> {
        let device = self.words.device();
        Tensor::from_slice(values, (values.len() / EXTRA, EXTRA), &Device::Cpu)?
            .to_dtype(self.words.dtype())?
            .to_device(device)
    }

    #[cfg(test)]
    pub(super) fn with_room(mut self, room: usize) -> Self {
        self.attention.room = room;
        self
    }
}

/// One matrix for every text, without a copy.
fn spread(matrix: &Tensor, texts: usize) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    matrix.broadcast_as((texts, rows, columns))
}

impl Norm {
    fn run(&self, states: &Tensor) -> Result<Tensor> {
        layer_norm(states, &self.weight, &self.bias, self.epsilon)
    }
}

impl Layer {
    /// What follows attention.
    fn finish(&self, states: &Tensor, attended: &Tensor, extra: &Tensor) -> Result<Tensor> {
        let states = self.attention_norm.run(&(states + attended)?)?;
        let wide = Tensor::cat(&[&states, extra], 1)?;
        let inside = wide.matmul(&self.up.t()?)?.gelu_erf()?;
        let out = inside.matmul(&self.down.t()?)?;
        self.out_norm.run(&(states + out)?)
    }
}

/// About how many bytes a model takes: its weights, and a pass of so many rows.
pub(in super::super) fn memory(config: &Config, dtype: DType, rows: usize) -> (u64, u64) {
    let (hidden, inside) = (config.hidden, config.intermediate);
    let head = Heads {
        size: hidden / config.heads,
        room: 0,
    };
    let all_heads = config.heads * head.rows();
    let layer = (all_heads + inside) * (hidden + EXTRA) + hidden * (hidden + inside + 4);
    let weights = (config.vocabulary + config.positions) * hidden + config.layers * layer;
    // The states thrice and once more for what is added to them, and the widest step's in and out.
    let row = 4 * (hidden + EXTRA) + (all_heads + 2 * hidden).max(2 * inside);
    let size = dtype.size_in_bytes();
    // The scores before and after the softmax.
    let pass = rows * row * size + 2 * SCORES;
    ((weights * size) as u64, pass as u64)
}

/// The most rows of a pass: the kernels count a tensor's numbers in 31 bits.
pub(in super::super) fn most_rows(config: &Config) -> usize {
    let head = Heads {
        size: config.hidden / config.heads,
        room: 0,
    };
    let widest = (config.heads * head.rows()).max(config.intermediate);
    (i32::MAX as usize) / widest.max(1)
}
