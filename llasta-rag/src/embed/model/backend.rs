//! Where a model is run: chosen, and then the same to whoever asks it.

use rayon::ThreadPool;

use super::super::{EmbedError, Kinds, NeuralOptions, WeightType};
use super::config::Config;
use super::files::Files;
use super::gpu::Gpu;
use super::host::HostModel;
use super::kernels::Stored;
use super::output::Output;
use super::passes::{Failed, Passes, is_lack_of_memory};
use super::tensors::{self, Layout, TensorModel};
use crate::Device;

/// Left free beside what a model takes: workspaces, and what an allocator cannot use.
const SPARE: u64 = 256 << 20;

/// A model where it is run.
#[derive(Debug)]
pub(super) enum Backend {
    Host(Box<HostModel>),
    Gpu { model: TensorModel, passes: Passes },
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
        let layout = Layout::on_gpu(gpu.ampere, weights, config);
        check_memory(&gpu, files.name(), config, (weights, layout), tokens)
            .map_err(Refusal::Gpu)?;
        let dtype = tensors::dtype(weights);
        let model = TensorModel::read(files, config, &gpu.device, dtype, layout);
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
            flash_attention = layout == Layout::Tight,
            "the embedding model is run on a GPU"
        );
        let passes = Passes::on(Device::Cuda(number));
        Ok((Self::Gpu { model, passes }, tokens))
    }

    pub(super) fn device(&self) -> Device {
        match self {
            Self::Host(_) => Device::Cpu,
            Self::Gpu { passes, .. } => passes.device(),
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
    pub(super) fn run(&self, texts: &[&[u32]], kinds: Kinds) -> Result<Vec<Output>, Failed> {
        match self {
            Self::Host(model) => Ok(model.run(texts, kinds)),
            Self::Gpu { model, passes } => {
                passes.run(texts, &|texts| model.run(texts, kinds), &|| model.answers())
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
    (weights, layout): (WeightType, Layout),
    tokens: usize,
) -> Result<(), String> {
    let rows = match layout {
        // They are filled up by a sixteenth at most, and texts to eight rows.
        Layout::Groups => tokens.max(config.max_length) / 8 * 9,
        Layout::Tight => tokens.max(config.max_length),
    };
    let (model_size, pass) = tensors::memory(config, tensors::dtype(weights), layout, rows);
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
