//! Where a model is run: chosen, and then the same to whoever asks it.

use rayon::ThreadPool;

use super::super::{EmbedError, Kinds, NeuralOptions, WeightType};
use super::config::Config;
use super::files::Files;
use super::gpu::Gpu;
use super::host::HostModel;
use super::kernels::Stored;
use super::output::Output;
use super::tensors::{self, TensorModel};
use crate::Device;

/// Left free beside what a model takes: workspaces, and what an allocator cannot use.
const SPARE: u64 = 256 << 20;

/// A model where it is run.
#[derive(Debug)]
pub(super) enum Backend {
    Host(Box<HostModel>),
    Gpu { model: TensorModel, number: usize },
}

impl Backend {
    /// Loads the model, and says how many tokens its passes have.
    pub(super) fn read(
        files: &Files,
        config: &Config,
        options: &NeuralOptions,
        pool: &ThreadPool,
    ) -> Result<(Self, usize), EmbedError> {
        let on_gpu = |number| Self::on_gpu(files, config, options, number);
        match options.device {
            Device::Cuda(number) => on_gpu(number).map_err(|error| match error {
                Refusal::Gpu(message) => EmbedError::Device {
                    device: options.device.to_string(),
                    message: format!("{message}; give --embed-device cpu to do without"),
                },
                Refusal::Model(error) => error,
            }),
            Device::Auto if GPUS => match on_gpu(0) {
                Err(Refusal::Gpu(reason)) => {
                    tracing::warn!(
                        model = files.name(),
                        reason,
                        "no GPU can be used: the embedding model is run on the CPU"
                    );
                    Self::on_host(files, config, options, pool)
                }
                Err(Refusal::Model(error)) => Err(error),
                Ok(made) => Ok(made),
            },
            Device::Auto | Device::Cpu => Self::on_host(files, config, options, pool),
        }
    }

    fn on_host(
        files: &Files,
        config: &Config,
        options: &NeuralOptions,
        pool: &ThreadPool,
    ) -> Result<(Self, usize), EmbedError> {
        let kind = match options.weights {
            None | Some(WeightType::F32) => Stored::F32,
            Some(WeightType::Bf16) => Stored::Bf16,
            Some(WeightType::F16) => {
                return Err(EmbedError::Device {
                    device: Device::Cpu.to_string(),
                    message: "weights in f16 are for GPUs: give --embed-dtype bf16, which takes as little memory, or f32".to_owned(),
                });
            }
        };
        let model = pool.install(|| HostModel::read(files, config, kind))?;
        let tokens = options.batch_tokens.unwrap_or(NeuralOptions::BATCH_TOKENS);
        Ok((Self::Host(Box::new(model)), tokens.max(1)))
    }

    fn on_gpu(
        files: &Files,
        config: &Config,
        options: &NeuralOptions,
        number: usize,
    ) -> Result<(Self, usize), Refusal> {
        let gpu = Gpu::open(number).map_err(Refusal::Gpu)?;
        let weights = options.weights.unwrap_or(WeightType::F16);
        let tokens = options
            .batch_tokens
            .unwrap_or(NeuralOptions::GPU_BATCH_TOKENS)
            // Short texts are filled up to eight rows.
            .clamp(1, tensors::most_rows(config) / 4);
        check_memory(&gpu, files.name(), config, weights, tokens).map_err(Refusal::Gpu)?;
        let model = TensorModel::read(files, config, &gpu.device, tensors::dtype(weights));
        let model = model.map_err(|error| {
            // Others may take the memory while the weights are read.
            if is_lack_of_memory(&error.to_string()) {
                Refusal::Gpu(format!("{}: {error}", gpu.name))
            } else {
                Refusal::Model(error)
            }
        })?;
        tracing::info!(
            model = files.name(),
            device = %Device::Cuda(number),
            gpu = gpu.name,
            weights = %weights,
            "the embedding model is run on a GPU"
        );
        Ok((Self::Gpu { model, number }, tokens))
    }

    pub(super) fn device(&self) -> Device {
        match self {
            Self::Host(_) => Device::Cpu,
            Self::Gpu { number, .. } => Device::Cuda(*number),
        }
    }

    pub(super) fn has_sparse(&self) -> bool {
        match self {
            Self::Host(model) => model.has_sparse(),
            Self::Gpu { model, .. } => model.has_sparse(),
        }
    }

    pub(super) fn has_multi_vector(&self) -> bool {
        match self {
            Self::Host(model) => model.has_multi_vector(),
            Self::Gpu { model, .. } => model.has_multi_vector(),
        }
    }

    /// One pass, on the current thread pool. No text is empty or longer than there are positions.
    pub(super) fn run(&self, texts: &[&[u32]], kinds: Kinds) -> Result<Vec<Output>, String> {
        match self {
            Self::Host(model) => Ok(model.run(texts, kinds)),
            Self::Gpu { model, number } => {
                let device = Device::Cuda(*number);
                halving(texts, &device, &|texts| model.run(texts, kinds))
            }
        }
    }
}

/// Whether this build can use GPUs.
pub(super) const GPUS: bool = cfg!(feature = "cuda");

/// Why a model is not run on a GPU.
enum Refusal {
    /// The GPU cannot.
    Gpu(String),
    /// Nor could any other device.
    Model(EmbedError),
}

fn check_memory(
    gpu: &Gpu,
    model: &str,
    config: &Config,
    weights: WeightType,
    tokens: usize,
) -> Result<(), String> {
    // Groups are filled up by a sixteenth at most, and texts to eight rows.
    let rows = tokens.max(config.max_length) / 8 * 9;
    let (model_size, pass) = tensors::memory(config, tensors::dtype(weights), rows);
    if model_size + pass + SPARE <= gpu.free {
        return Ok(());
    }
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    Err(format!(
        "{} has {} of memory free, and {model} in {weights} takes {}, a pass of {tokens} tokens {} and the libraries {}: free some, or give a smaller --embed-batch-tokens{}",
        gpu.name,
        gib(gpu.free),
        gib(model_size),
        gib(pass),
        gib(SPARE),
        if weights == WeightType::F32 {
            " or --embed-dtype f16"
        } else {
            ""
        }
    ))
}

/// Runs a pass; where the memory is too short for it, its halves, and so on down to single texts.
fn halving<R>(texts: &[&[u32]], device: &Device, run: &R) -> Result<Vec<Output>, String>
where
    R: Fn(&[&[u32]]) -> candle_core::Result<Vec<Output>>,
{
    let error = match run(texts) {
        Ok(outputs) => return Ok(outputs),
        Err(error) => error.to_string(),
    };
    if !is_lack_of_memory(&error) {
        return Err(format!("{device}: {}", first_line(&error)));
    }
    let tokens: usize = texts.iter().map(|text| text.len()).sum();
    if texts.len() < 2 {
        return Err(format!(
            "{device} has no memory for a text of {tokens} tokens: free some, or cut texts smaller"
        ));
    }
    tracing::warn!(
        device = %device,
        texts = texts.len(),
        tokens,
        "the GPU's memory is too short for a pass, which is done in two: give a smaller --embed-batch-tokens"
    );
    let (front, back) = texts.split_at(texts.len() / 2);
    let mut outputs = halving(front, device, run)?;
    outputs.extend(halving(back, device, run)?);
    Ok(outputs)
}

/// Whether an error of CUDA or cuBLAS says so.
fn is_lack_of_memory(error: &str) -> bool {
    let words = ["OUT_OF_MEMORY", "ALLOC_FAILED", "out of memory"];
    words.iter().any(|word| error.contains(word))
}

/// What follows is a backtrace where there is one.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn one(ids: &[u32]) -> Output {
        Output {
            pooled: vec![ids[0] as f32],
            ..Output::default()
        }
    }

    #[test]
    fn a_pass_that_does_not_fit_is_cut_until_it_does_and_gives_the_same() {
        let ids: Vec<_> = (0..13_u32).map(|n| vec![n; 10]).collect();
        let texts: Vec<_> = ids.iter().map(Vec::as_slice).collect();
        let passes = RefCell::new(Vec::new());
        let outputs = halving(&texts, &Device::Cuda(0), &|texts| {
            if texts.len() > 4 {
                candle_core::bail!("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
            }
            passes.borrow_mut().push(texts.len());
            Ok(texts.iter().map(|text| one(text)).collect())
        });
        let pooled: Vec<_> = outputs.unwrap().iter().map(|o| o.pooled[0]).collect();
        assert_eq!(pooled, (0..13).map(|n| n as f32).collect::<Vec<_>>());
        assert_eq!(*passes.borrow(), [3, 3, 3, 4]);
    }

    #[test]
    fn a_text_that_fits_alone_in_no_way_is_refused_with_its_length() {
        let ids = vec![1; 8000];
        let message = halving(&[&ids, &[2]], &Device::Cuda(1), &|texts| {
            if texts.iter().any(|text| text.len() > 100) {
                candle_core::bail!("CUBLAS_STATUS_ALLOC_FAILED");
            }
            Ok(texts.iter().map(|text| one(text)).collect())
        })
        .unwrap_err();
        assert!(
            message.contains("8000") && message.contains("cuda:1"),
            "{message}"
        );
    }

    #[test]
    fn what_is_no_lack_of_memory_is_not_tried_again() {
        let tries = RefCell::new(0);
        let message = halving(&[&[1], &[2]], &Device::Cuda(0), &|_| {
            *tries.borrow_mut() += 1;
            candle_core::bail!("CUDA_ERROR_ILLEGAL_ADDRESS\n  at somewhere")
        })
        .unwrap_err();
        assert_eq!(*tries.borrow(), 1);
        assert_eq!(message, "cuda:0: CUDA_ERROR_ILLEGAL_ADDRESS");
    }
}
