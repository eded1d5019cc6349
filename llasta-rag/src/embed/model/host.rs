//! A model on the CPU: the encoder with its pooling and heads.

use super::super::{EmbedError, Kinds};
use super::config::{Config, Pooling};
use super::encoder::{Encoder, Linear, Rows, ranges};
use super::files::Files;
use super::kernels::{Activation, Stored};
use super::output::{Head, MULTI_VECTOR, Output, SPARSE, head};
use super::weights::Weights;

/// An encoder on the CPU, with the heads of its checkpoint.
#[derive(Debug)]
pub(super) struct HostModel {
    encoder: Encoder,
    sparse: Option<Linear>,
    multi_vector: Option<Linear>,
    pooling: Pooling,
    hidden: usize,
}

impl HostModel {
    /// Reads it on the current thread pool.
    pub(super) fn read(files: &Files, config: &Config, kind: Stored) -> Result<Self, EmbedError> {
        let head = |file, columns| {
            let read = head(files, file, config, columns)?;
            // Small, and what it gives is compared with a threshold: never rounded.
            let linear =
                |head: Head| Linear::new(&head.weight, head.bias, config.hidden, Stored::F32);
            Ok::<_, EmbedError>(read.map(linear))
        };
        Ok(Self {
            encoder: Encoder::read(&Weights::of_encoder(files)?, config, kind)?,
            sparse: head(SPARSE, 1)?,
            multi_vector: head(MULTI_VECTOR, config.hidden)?,
            pooling: config.pooling,
            hidden: config.hidden,
        })
    }

    pub(super) fn has_sparse(&self) -> bool {
        self.sparse.is_some()
    }

    pub(super) fn has_multi_vector(&self) -> bool {
        self.multi_vector.is_some()
    }

    /// One pass, on the current thread pool. No text is empty or longer than there are positions.
    pub(super) fn run(&self, texts: &[&[u32]], kinds: Kinds) -> Vec<Output> {
        let hidden = self.hidden;
        let first_only = self.pooling == Pooling::Cls && !kinds.sparse && !kinds.multi_vector;
        let (rows, ranges) = if first_only {
            let ranges = (0..texts.len()).map(|at| at..at + 1).collect();
            (Rows::First, ranges)
        } else {
            (Rows::All, ranges(texts))
        };
        let states = self.encoder.run(texts, rows);
        let weights = self.sparse.as_ref().filter(|_| kinds.sparse).map(|head| {
            let mut weights = vec![0.0; states.len() / hidden];
            head.run(&states, Activation::None, &mut weights);
            weights
        });
        let vectors = self.multi_vector.as_ref().filter(|_| kinds.multi_vector);
        let vectors = vectors.map(|head| {
            let mut vectors = vec![0.0; states.len()];
            head.run(&states, Activation::None, &mut vectors);
            vectors
        });
        let outputs = ranges.into_iter().map(|range| {
            let part = |all: &[f32]| all[range.start * hidden..range.end * hidden].to_vec();
            Output {
                pooled: if kinds.dense {
                    self.pool(&part(&states))
                } else {
                    Vec::new()
                },
                weights: weights
                    .as_ref()
                    .map(|weights| weights[range.clone()].to_vec())
                    .unwrap_or_default(),
                vectors: vectors.as_ref().map(|all| part(all)).unwrap_or_default(),
            }
        });
        outputs.collect()
    }

    fn pool(&self, states: &[f32]) -> Vec<f32> {
        let mut rows = states.chunks_exact(self.hidden);
        let mut vector = rows.next().unwrap_or_default().to_vec();
        match self.pooling {
            Pooling::Cls => {}
            // The mean has the direction of the sum, and the length becomes 1.
            Pooling::Mean => rows.for_each(|row| {
                for (sum, value) in vector.iter_mut().zip(row) {
                    *sum += value;
                }
            }),
            Pooling::Max => rows.for_each(|row| {
                for (most, &value) in vector.iter_mut().zip(row) {
                    *most = most.max(value);
                }
            }),
        }
        vector
    }
}
