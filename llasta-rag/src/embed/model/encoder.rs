//! The encoder: token ids to one vector per token.
//!
//! BERT (Devlin et al. 2019) and XLM-RoBERTa (Conneau et al. 2020) differ in where positions begin and
//! in nothing else that matters here. All texts of a batch lie one after the other, without padding:
//! what is done to each token alone does not see where a text ends, and attention is given the ends.

use std::ops::Range;

use rayon::prelude::*;

use super::super::EmbedError;
use super::config::Config;
use super::kernels::{Activation, Attention, Matrix, Norm, Stored, add_norm, bf16, norm};
use super::weights::Weights;

/// A BERT or XLM-RoBERTa encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    words: Table,
    /// Of each position, with the first token type added.
    positions: Vec<f32>,
    first_position: usize,
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
    hidden: usize,
}

/// A vector per token id.
#[derive(Debug)]
enum Table {
    F32(Vec<f32>),
    Bf16(Vec<u16>),
}

#[derive(Debug)]
struct Layer {
    /// Query, key and value, side by side.
    attention: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    out_norm: Norm,
}

/// A linear layer: x W + b.
#[derive(Debug)]
pub(super) struct Linear {
    matrix: Matrix,
    bias: Vec<f32>,
}

impl Linear {
    pub(super) fn new(weight: &[f32], bias: Vec<f32>, depth: usize, kind: Stored) -> Self {
        Self {
            matrix: Matrix::new(weight, depth, kind),
            bias,
        }
    }

    pub(super) fn run(&self, rows: &[f32], activation: Activation, out: &mut [f32]) {
        let columns = 0..self.matrix.columns();
        self.matrix
            .multiply(rows, &self.bias, activation, columns, out);
    }
}

/// Which tokens' vectors are wanted of the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    All,
    /// The first of each text.
    First,
}

impl Encoder {
    pub(super) fn read(
        weights: &Weights<'_>,
        config: &Config,
        kind: Stored,
    ) -> Result<Self, EmbedError> {
        let hidden = config.hidden;
        let norm = |name: &str| read_norm(weights, name, config);
        let word = "embeddings.word_embeddings.weight";
        let words = weights.get(word, &[config.vocabulary, hidden])?;
        let words = match kind {
            Stored::F32 => Table::F32(words),
            Stored::Bf16 => Table::Bf16(words.iter().map(|&value| bf16(value)).collect()),
        };
        let mut positions = weights.get(
            "embeddings.position_embeddings.weight",
            &[config.positions, hidden],
        )?;
        let types = weights.get(
            "embeddings.token_type_embeddings.weight",
            &[config.types, hidden],
        )?;
        for position in positions.chunks_exact_mut(hidden) {
            for (value, kind) in position.iter_mut().zip(&types[..hidden]) {
                *value += kind;
            }
        }
        let layers = (0..config.layers)
            .map(|index| Layer::read(weights, config, kind, index))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            words,
            positions,
            first_position: config.first_position,
            norm: norm("embeddings.LayerNorm")?,
            layers,
            heads: config.heads,
            hidden,
        })
    }

    /// The hidden states of the last layer, a row for each wanted token of each text. No text is
    /// empty or longer than there are positions.
    pub(super) fn run(&self, texts: &[&[u32]], wanted: Rows) -> Vec<f32> {
        let hidden = self.hidden;
        let ranges = ranges(texts);
        let tokens = ranges.last().map_or(0, |range| range.end);
        let mut states = self.embed(texts);
        norm(&mut states, &self.norm);
        let mut buffers = Buffers::new(tokens, hidden, &self.layers);
        let Some((last, layers)) = self.layers.split_last() else {
            return states;
        };
        let whole: Vec<_> = ranges
            .iter()
            .map(|range| (range.clone(), range.clone()))
            .collect();
        for layer in layers {
            self.layer(layer, &whole, &mut states, &mut buffers);
        }
        match wanted {
            Rows::All => self.layer(last, &whole, &mut states, &mut buffers),
            Rows::First => self.last_layer(last, &ranges, &mut states, &mut buffers),
        }
        states
    }

    /// The sum of each token's word, position and type.
    fn embed(&self, texts: &[&[u32]]) -> Vec<f32> {
        let hidden = self.hidden;
        let places: Vec<(u32, usize)> = texts
            .iter()
            .flat_map(|text| text.iter().copied().zip(self.first_position..))
            .collect();
        let mut states = vec![0.0; places.len() * hidden];
        states
            .par_chunks_exact_mut(hidden)
            .with_min_len(64)
            .zip(places)
            .for_each(|(state, (id, position))| {
                let position = &self.positions[position * hidden..][..hidden];
                let word = id as usize * hidden;
                match &self.words {
                    Table::F32(words) => {
                        let sums = state.iter_mut().zip(&words[word..]).zip(position);
                        sums.for_each(|((state, word), position)| *state = word + position);
                    }
                    Table::Bf16(words) => {
                        let sums = state.iter_mut().zip(&words[word..]).zip(position);
                        sums.for_each(|((state, &word), position)| {
                            *state = f32::from_bits(u32::from(word) << 16) + position;
                        });
                    }
                }
            });
        states
    }

    fn layer(
        &self,
        layer: &Layer,
        texts: &[(Range<usize>, Range<usize>)],
        states: &mut [f32],
        buffers: &mut Buffers,
    ) {
        let hidden = self.hidden;
        let rows = states.len() / hidden;
        let wide = &mut buffers.wide[..rows * 3 * hidden];
        layer.attention.run(states, Activation::None, wide);
        let context = &mut buffers.narrow[..rows * hidden];
        self.attend(wide, 3 * hidden, wide, 3 * hidden, texts, context);
        layer.finish(states, buffers);
    }

    /// The last layer where only the first token of each text is wanted: all tokens give keys and
    /// values, but only those ask.
    fn last_layer(
        &self,
        layer: &Layer,
        ranges: &[Range<usize>],
        states: &mut Vec<f32>,
        buffers: &mut Buffers,
    ) {
        let hidden = self.hidden;
        let rows = states.len() / hidden;
        let mut firsts = Vec::with_capacity(ranges.len() * hidden);
        for range in ranges {
            firsts.extend_from_slice(&states[range.start * hidden..][..hidden]);
        }
        let matrix = &layer.attention.matrix;
        let bias = &layer.attention.bias;
        let from = if matrix.can_begin_at(hidden) {
            hidden
        } else {
            0
        };
        let stride = 3 * hidden - from;
        let wide = &mut buffers.wide[..rows * stride];
        matrix.multiply(states, bias, Activation::None, from..3 * hidden, wide);
        let mut queries = vec![0.0; firsts.len()];
        matrix.multiply(&firsts, bias, Activation::None, 0..hidden, &mut queries);
        let texts: Vec<_> = ranges
            .iter()
            .enumerate()
            .map(|(index, range)| (index..index + 1, range.clone()))
            .collect();
        let context = &mut buffers.narrow[..firsts.len()];
        self.attend(&queries, hidden, wide, stride, &texts, context);
        *states = firsts;
        layer.finish(states, buffers);
    }

    fn attend(
        &self,
        queries: &[f32],
        query_stride: usize,
        keys_values: &[f32],
        key_stride: usize,
        texts: &[(Range<usize>, Range<usize>)],
        out: &mut [f32],
    ) {
        let attention = Attention {
            queries,
            query_stride,
            keys_values,
            key_stride,
            heads: self.heads,
            size: self.hidden / self.heads,
        };
        attention.run(texts, out);
    }
}

/// Where each text's tokens are.
pub(super) fn ranges(texts: &[&[u32]]) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut ranges = Vec::with_capacity(texts.len());
    for text in texts {
        ranges.push(start..start + text.len());
        start += text.len();
    }
    ranges
}

/// Room for what lies between the steps of a layer, used by all layers.
struct Buffers {
    /// Three states a token, or the inside of the feed-forward part, whichever is wider.
    wide: Vec<f32>,
    /// One state a token.
    narrow: Vec<f32>,
}

impl Buffers {
    fn new(tokens: usize, hidden: usize, layers: &[Layer]) -> Self {
        let inside = layers.first().map_or(0, |layer| layer.up.matrix.columns());
        Self {
            wide: vec![0.0; tokens * inside.max(3 * hidden)],
            narrow: vec![0.0; tokens * hidden],
        }
    }
}

impl Layer {
    fn read(
        weights: &Weights<'_>,
        config: &Config,
        kind: Stored,
        index: usize,
    ) -> Result<Self, EmbedError> {
        let hidden = config.hidden;
        let linear = |names: &[&str], depth: usize, columns: usize| {
            let (mut weight, mut bias) = (Vec::new(), Vec::new());
            for name in names {
                let name = format!("encoder.layer.{index}.{name}");
                weight.extend(weights.get(&format!("{name}.weight"), &[columns, depth])?);
                bias.extend(weights.get(&format!("{name}.bias"), &[columns])?);
            }
            Ok::<_, EmbedError>(Linear::new(&weight, bias, depth, kind))
        };
        let norm = |name: &str| {
            let name = format!("encoder.layer.{index}.{name}");
            read_norm(weights, &name, config)
        };
        let inputs = [
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
        ];
        Ok(Self {
            attention: linear(&inputs, hidden, hidden)?,
            attention_out: linear(&["attention.output.dense"], hidden, hidden)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            up: linear(&["intermediate.dense"], hidden, config.intermediate)?,
            down: linear(&["output.dense"], config.intermediate, hidden)?,
            out_norm: norm("output.LayerNorm")?,
        })
    }

    /// What follows attention, whose result is in `buffers.narrow`.
    fn finish(&self, states: &mut [f32], buffers: &mut Buffers) {
        let size = states.len();
        let rows = size / self.attention_norm.weight.len();
        let wide = &mut buffers.wide[..size];
        self.attention_out
            .run(&buffers.narrow[..size], Activation::None, wide);
        add_norm(wide, states, &self.attention_norm);
        states.copy_from_slice(wide);
        let inside = &mut buffers.wide[..rows * self.up.matrix.columns()];
        self.up.run(states, Activation::Gelu, inside);
        let narrow = &mut buffers.narrow[..size];
        self.down.run(inside, Activation::None, narrow);
        add_norm(narrow, states, &self.out_norm);
        states.copy_from_slice(narrow);
    }
}

pub(super) fn read_norm(
    weights: &Weights<'_>,
    name: &str,
    config: &Config,
) -> Result<Norm, EmbedError> {
    // Checkpoints from TensorFlow call them gamma and beta.
    let old = !weights.has(&format!("{name}.weight")) && weights.has(&format!("{name}.gamma"));
    let (weight, bias) = if old {
        ("gamma", "beta")
    } else {
        ("weight", "bias")
    };
    Ok(Norm {
        weight: weights.get(&format!("{name}.{weight}"), &[config.hidden])?,
        bias: weights.get(&format!("{name}.{bias}"), &[config.hidden])?,
        epsilon: config.epsilon,
    })
}
