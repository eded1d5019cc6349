//! The encoder: token ids to one vector per token.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::layer_norm;

use super::super::super::EmbedError;
use super::super::config::Config;
use super::super::weights::Weights;
use super::attention::Heads;
use super::layers::{Layer, Norm, Reader};
use super::pack::{EXTRA, Group, Layout, Packed};
use super::tight::{self, Starts};

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
    layout: Layout,
}

/// The texts of a pass, and where they begin if they lie tight.
struct Pass<'a> {
    packed: &'a Packed,
    starts: Option<Starts>,
}

impl Encoder {
    pub(super) fn read(
        weights: &Weights<'_>,
        config: &Config,
        device: &Device,
        dtype: DType,
        layout: Layout,
    ) -> std::result::Result<Self, EmbedError> {
        let reader = Reader {
            weights,
            config,
            device,
            dtype,
            layout,
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
            layout,
        })
    }

    pub(super) fn device(&self) -> &Device {
        self.words.device()
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// The hidden states of the last layer: a row for each of the pass's, or, with `first_only`, one for
    /// each text in the pass's order.
    pub(super) fn run(&self, packed: &Packed, first_only: bool) -> Result<Tensor> {
        let device = self.words.device();
        let row = |values: &[u32]| Tensor::from_slice(values, values.len(), device);
        let words = self.words.index_select(&row(&packed.ids)?, 0)?;
        let positions = self.positions.index_select(&row(&packed.positions)?, 0)?;
        let extra = self.extra(&packed.extra)?;
        let pass = Pass {
            packed,
            starts: match self.layout {
                Layout::Groups => None,
                Layout::Tight => Some(Starts::new(packed.firsts(), packed.rows(), device)?),
            },
        };
        let mut states = self.norm.run(&(words + positions)?)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let last = index + 1 == self.layers.len();
            states = if last && first_only {
                self.last_layer(layer, &states, &extra, &pass)?
            } else {
                let wide = Tensor::cat(&[&states, &extra], 1)?;
                let attended = self.attend(layer, &wide, &pass, None)?;
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
        pass: &Pass<'_>,
    ) -> Result<Tensor> {
        let wide = Tensor::cat(&[states, extra], 1)?;
        let rows: Vec<_> = pass.packed.firsts().map(|row| row as u32).collect();
        let rows = Tensor::from_slice(&rows, rows.len(), states.device())?;
        let attended = self.attend(layer, &wide, pass, Some(&rows))?;
        layer.finish(
            &states.index_select(&rows, 0)?,
            &attended,
            &extra.index_select(&rows, 0)?,
        )
    }

    /// What attention adds to each state, without its bias, or only to the texts' first rows.
    fn attend(
        &self,
        layer: &Layer,
        wide: &Tensor,
        pass: &Pass<'_>,
        firsts: Option<&Tensor>,
    ) -> Result<Tensor> {
        match &pass.starts {
            None => self.in_groups(layer, wide, &pass.packed.groups, firsts.map(|_| 1)),
            Some(starts) => self.tight(layer, wide, starts, firsts),
        }
    }

    /// Queries, keys and values lie beside each other as one product leaves them.
    fn tight(
        &self,
        layer: &Layer,
        wide: &Tensor,
        starts: &Starts,
        firsts: Option<&Tensor>,
    ) -> Result<Tensor> {
        let hidden = self.hidden;
        let product = |rows: &Tensor, weights: &Tensor| {
            let product = rows.matmul(&weights.t()?)?;
            let (rows, columns) = product.dims2()?;
            product.reshape((rows, columns / hidden, self.heads, self.attention.size))
        };
        let part = |product: &Tensor, number| product.narrow(1, number, 1)?.squeeze(1);
        let weights = &layer.attention;
        let context = if let Some(firsts) = firsts {
            let asking = Starts::one_each(firsts.dim(0)?, wide.device())?;
            let queries = product(
                &wide.index_select(firsts, 0)?,
                &weights.narrow(0, 0, hidden)?,
            )?;
            let others = product(wide, &weights.narrow(0, hidden, 2 * hidden)?)?;
            let parts = [&part(&queries, 0)?, &part(&others, 0)?, &part(&others, 1)?];
            tight::attend(parts, &asking, starts)?
        } else {
            let all = product(wide, weights)?;
            let parts = [&part(&all, 0)?, &part(&all, 1)?, &part(&all, 2)?];
            tight::attend(parts, starts, starts)?
        };
        context.flatten_from(1)?.matmul(&layer.attention_out.t()?)
    }

    /// The mean of each text's states, where they lie tight: what a query of zeros gets, whose scores are
    /// all the same.
    pub(super) fn mean(&self, states: &Tensor, packed: &Packed) -> Result<Tensor> {
        let (texts, device) = (packed.order.len(), states.device());
        let states = states.reshape((packed.rows(), self.heads, self.attention.size))?;
        let zeros = (texts, self.heads, self.attention.size);
        let zeros = Tensor::zeros(zeros, states.dtype(), device)?;
        let means = tight::attend(
            [&zeros, &states, &states],
            &Starts::one_each(texts, device)?,
            &Starts::new(packed.firsts(), packed.rows(), device)?,
        )?;
        means.flatten_from(1)
    }

    fn in_groups(
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
pub(in super::super) fn memory(
    config: &Config,
    dtype: DType,
    layout: Layout,
    rows: usize,
) -> (u64, u64) {
    let (hidden, inside) = (config.hidden, config.intermediate);
    let head = Heads {
        size: hidden / config.heads,
        room: 0,
    };
    let (all_heads, scores) = match layout {
        // The scores before and after the softmax.
        Layout::Groups => (config.heads * head.rows(), 2 * SCORES),
        // A number for each head of each row.
        Layout::Tight => (3 * hidden, rows * config.heads * size_of::<f32>()),
    };
    let layer = (all_heads + inside) * (hidden + EXTRA) + hidden * (hidden + inside + 4);
    let weights = (config.vocabulary + config.positions) * hidden + config.layers * layer;
    // The states thrice and once more for what is added to them, and the widest step's in and out.
    let row = 4 * (hidden + EXTRA) + (all_heads + 2 * hidden).max(2 * inside);
    let size = dtype.size_in_bytes();
    let pass = rows * row * size + scores;
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
