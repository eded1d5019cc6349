//! Attention over texts that lie one after the other with nothing between them.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

/// Where in some rows each text begins, and where the last one ends.
#[derive(Debug)]
pub(super) struct Starts {
    rows: Vec<u32>,
    on_device: Tensor,
    longest: usize,
}

impl Starts {
    /// `firsts` are the first rows, from 0, each below the next, and `end` is above all.
    pub(super) fn new(
        firsts: impl Iterator<Item = usize>,
        end: usize,
        device: &Device,
    ) -> Result<Self> {
        let rows: Vec<_> = firsts.chain([end]).map(|row| row as u32).collect();
        let lengths = rows.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
        Ok(Self {
            longest: lengths.max().unwrap_or(0),
            on_device: Tensor::from_slice(&rows, rows.len(), device)?,
            rows,
        })
    }

    /// Of so many texts that have one row each.
    pub(super) fn one_each(texts: usize, device: &Device) -> Result<Self> {
        Self::new(0..texts, texts, device)
    }
}

/// For each query the sum of its text's values by the softmax of its scores, the products of the query
/// with that text's keys.
///
/// `queries` is (rows of `asking`, heads, size), and `keys` and `values` (rows of `asked`, heads, size);
/// rows may be apart, components of a head not. The result is as `queries`, without gaps.
pub(super) fn attend(
    [queries, keys, values]: [&Tensor; 3],
    asking: &Starts,
    asked: &Starts,
) -> Result<Tensor> {
    match queries.device() {
        Device::Cpu => text_by_text([queries, keys, values], asking, asked),
        _ => flash([queries, keys, values], asking, asked),
    }
}

#[cfg(feature = "flash-attn")]
fn flash([queries, keys, values]: [&Tensor; 3], asking: &Starts, asked: &Starts) -> Result<Tensor> {
    candle_flash_attn::flash_attn_varlen(
        queries,
        keys,
        values,
        &asking.on_device,
        &asked.on_device,
        asking.longest,
        asked.longest,
        1.0,
        false,
    )
}

#[cfg(not(feature = "flash-attn"))]
fn flash(_: [&Tensor; 3], asking: &Starts, _: &Starts) -> Result<Tensor> {
    candle_core::bail!(
        "{} rows at most on {:?}: this build has no flash attention (feature flash-attn)",
        asking.longest,
        asking.on_device.device(),
    )
}

/// The same without the kernel, which no CPU has: what is around it is tested with this.
fn text_by_text(
    [queries, keys, values]: [&Tensor; 3],
    asking: &Starts,
    asked: &Starts,
) -> Result<Tensor> {
    let mut texts = Vec::new();
    for (asking, asked) in asking.rows.windows(2).zip(asked.rows.windows(2)) {
        // (heads, rows of the text, size)
        let of = |tensor: &Tensor, rows: &[u32]| {
            let (first, count) = (rows[0] as usize, (rows[1] - rows[0]) as usize);
            let rows = tensor.narrow(0, first, count)?.transpose(0, 1)?;
            rows.contiguous()
        };
        let (query, key, value) = (of(queries, asking)?, of(keys, asked)?, of(values, asked)?);
        let scores = query.matmul(&key.transpose(1, 2)?)?.to_dtype(DType::F32)?;
        let shares = softmax_last_dim(&scores)?.to_dtype(value.dtype())?;
        texts.push(shares.matmul(&value)?.transpose(0, 1)?);
    }
    Tensor::cat(&texts, 0)?.contiguous()
}
