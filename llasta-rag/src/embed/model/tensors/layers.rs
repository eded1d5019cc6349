//! A checkpoint's weights, arranged so that a pass is little else than matrix products.
//!
//! On a GPU a small step costs as much as reading and writing all states once, and one that spreads a
//! bias over rows costs several times that. So nothing of the kind is left:
//!
//! - Every state has [`EXTRA`] columns besides, the first of which is one: a bias is a column of the
//!   weights ([`Layer::attention`], [`Layer::up`]).
//! - A bias that is added to a state just before it is normalised is added to the state's other part
//!   already, in the bias of the norm before: x + (W y + b) = (x + b) + W y. Whoever reads that state
//!   through weights gets it back: W x = W (x + b) - W b, where the last is part of a bias.
//! - A bias of all keys adds the same to all scores of a query, which the softmax does not see.
//! - The scores' scale, one by the root of a head's size, is in the queries' weights.
//! - Which tokens are hidden is a product as well: a query's extra one times a key's extra column.

use candle_core::{DType, Device, Tensor};

use super::super::super::EmbedError;
use super::super::config::Config;
use super::super::encoder::read_norm;
use super::super::weights::Weights;
use super::attention::Heads;
use super::pack::{EXTRA, Layout};

/// One layer's tensors, in the type of the weights.
#[derive(Debug)]
pub(super) struct Layer {
    /// In groups: for each head its queries, keys and values, with their extra rows ([`Heads::rows`] ×
    /// heads, hidden + [`EXTRA`]). Tight: the queries of all heads, the keys and the values (3 × hidden,
    /// hidden + [`EXTRA`]).
    pub(super) attention: Tensor,
    /// (hidden, hidden).
    pub(super) attention_out: Tensor,
    pub(super) attention_norm: Norm,
    /// (intermediate, hidden + [`EXTRA`]).
    pub(super) up: Tensor,
    /// (hidden, intermediate).
    pub(super) down: Tensor,
    pub(super) out_norm: Norm,
}

/// A layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) epsilon: f32,
}

/// Reads tensors onto a device.
pub(super) struct Reader<'a> {
    pub(super) weights: &'a Weights<'a>,
    pub(super) config: &'a Config,
    pub(super) device: &'a Device,
    pub(super) dtype: DType,
    pub(super) layout: Layout,
}

impl Reader<'_> {
    pub(super) fn table(&self, name: &str, rows: usize) -> Result<Tensor, EmbedError> {
        let hidden = self.config.hidden;
        let values = self.weights.get(name, &[rows, hidden])?;
        self.tensor(name, values, (rows, hidden))
    }

    /// The positions' vectors with that of the first token type added.
    pub(super) fn positions(&self) -> Result<Tensor, EmbedError> {
        const NAME: &str = "embeddings.position_embeddings.weight";
        let config = self.config;
        let types = "embeddings.token_type_embeddings.weight";
        let types = self.weights.get(types, &[config.types, config.hidden])?;
        let mut values = self.weights.get(NAME, &[config.positions, config.hidden])?;
        for row in values.chunks_exact_mut(config.hidden) {
            for (value, kind) in row.iter_mut().zip(&types) {
                *value += kind;
            }
        }
        self.tensor(NAME, values, (config.positions, config.hidden))
    }

    /// A norm to whose bias another one is added.
    pub(super) fn norm(&self, name: &str, added: &[f32]) -> Result<Norm, EmbedError> {
        let mut norm = read_norm(self.weights, name, self.config)?;
        for (bias, added) in norm.bias.iter_mut().zip(added) {
            *bias += added;
        }
        let hidden = self.config.hidden;
        Ok(Norm {
            weight: self.tensor(name, norm.weight, (hidden,))?,
            bias: self.tensor(name, norm.bias, (hidden,))?,
            epsilon: norm.epsilon,
        })
    }

    /// What a layer's attention adds to every state: nothing after the last layer.
    pub(super) fn attention_bias(&self, layer: usize) -> Result<Vec<f32>, EmbedError> {
        if layer >= self.config.layers {
            return Ok(vec![0.0; self.config.hidden]);
        }
        let name = format!("encoder.layer.{layer}.attention.output.dense.bias");
        self.weights.get(&name, &[self.config.hidden])
    }

    pub(super) fn layer(&self, index: usize) -> Result<Layer, EmbedError> {
        let (hidden, inside) = (self.config.hidden, self.config.intermediate);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let down_bias = self.weights.get(&name("output.dense.bias"), &[hidden])?;
        let up = name("intermediate.dense");
        let up = self.linear(&up, inside, &down_bias)?;
        let mut rows = Vec::with_capacity(inside * (hidden + EXTRA));
        for row in &up {
            row.write(1.0, true, &mut rows);
        }
        let out = name("attention.output.dense.weight");
        let down = name("output.dense.weight");
        Ok(Layer {
            attention: self.attention(index)?,
            attention_out: self.table(&out, hidden)?,
            attention_norm: self.norm(&name("attention.output.LayerNorm"), &down_bias)?,
            up: self.tensor(&name("intermediate"), rows, (inside, hidden + EXTRA))?,
            down: self.tensor(
                &down,
                self.weights.get(&down, &[hidden, inside])?,
                (hidden, inside),
            )?,
            out_norm: self.norm(&name("output.LayerNorm"), &self.attention_bias(index + 1)?)?,
        })
    }

    fn attention(&self, index: usize) -> Result<Tensor, EmbedError> {
        let (hidden, heads) = (self.config.hidden, self.config.heads);
        let size = hidden / heads;
        let shift = self.attention_bias(index)?;
        let part = |part: &str| {
            let name = format!("encoder.layer.{index}.attention.self.{part}");
            self.linear(&name, hidden, &shift)
        };
        let (query, key, value) = (part("query")?, part("key")?, part("value")?);
        let scale = 1.0 / (size as f32).sqrt();
        let width = hidden + EXTRA;
        let name = format!("encoder.layer.{index}.attention.self");
        if self.layout == Layout::Tight {
            let mut rows = Vec::with_capacity(3 * hidden * width);
            for (part, scale, bias) in [(query, scale, true), (key, 1.0, false), (value, 1.0, true)]
            {
                part.iter()
                    .for_each(|row| row.write(scale, bias, &mut rows));
            }
            return self.tensor(&name, rows, (3 * hidden, width));
        }
        let all = heads * Heads { size, room: 0 }.rows();
        let mut rows = Vec::with_capacity(all * width);
        // A row that gives the extra column of the number, and others that give nothing.
        let extra = |column: usize, rows: &mut Vec<f32>| {
            let from = rows.len();
            rows.resize(from + EXTRA * width, 0.0);
            rows[from + hidden + column] = 1.0;
        };
        for head in 0..heads {
            let own = head * size..(head + 1) * size;
            for row in &query[own.clone()] {
                row.write(scale, true, &mut rows);
            }
            extra(0, &mut rows);
            for row in &key[own.clone()] {
                row.write(1.0, false, &mut rows);
            }
            extra(1, &mut rows);
            for row in &value[own] {
                row.write(1.0, true, &mut rows);
            }
        }
        self.tensor(&name, rows, (all, width))
    }

    /// The rows of a linear layer that reads states to which `shift` was added.
    fn linear(&self, name: &str, rows: usize, shift: &[f32]) -> Result<Vec<Row>, EmbedError> {
        let hidden = self.config.hidden;
        let weight = format!("{name}.weight");
        let weight = self.weights.get(&weight, &[rows, hidden])?;
        let bias = self.weights.get(&format!("{name}.bias"), &[rows])?;
        let rows = weight.chunks_exact(hidden).zip(bias).map(|(row, bias)| {
            let products = row.iter().zip(shift);
            let known: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            Row {
                weights: row.to_vec(),
                bias: (f64::from(bias) - known) as f32,
            }
        });
        Ok(rows.collect())
    }

    pub(super) fn tensor(
        &self,
        name: &str,
        values: Vec<f32>,
        shape: impl Into<candle_core::Shape>,
    ) -> Result<Tensor, EmbedError> {
        if self.dtype == DType::F16 && values.iter().any(|value| value.abs() > 65_504.0) {
            return Err(self.weights.refuse(format!(
                "{name} has numbers that are too large for f16: give --embed-dtype bf16"
            )));
        }
        Tensor::from_vec(values, shape, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(self.dtype)?.to_device(self.device))
            .map_err(|error| {
                self.weights
                    .refuse(format!("{name} cannot be taken to the device: {error}"))
            })
    }
}

/// One output of a linear layer.
struct Row {
    weights: Vec<f32>,
    bias: f32,
}

impl Row {
    /// The row and its extra columns: the bias by the column of ones, if it is wanted.
    fn write(&self, scale: f32, bias: bool, out: &mut Vec<f32>) {
        out.extend(self.weights.iter().map(|weight| weight * scale));
        out.push(if bias { self.bias * scale } else { 0.0 });
        out.extend_from_slice(&[0.0; EXTRA - 1]);
    }
}
