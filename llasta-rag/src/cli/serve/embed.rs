//! The embedder that the command line asks for.

use std::num::NonZeroUsize;
use std::sync::Arc;

use llasta_rag::Device;
use llasta_rag::embed::{
    BatchLimits, Batcher, EmbedError, Embedder, LexicalEmbedder, NeuralEmbedder, NeuralOptions,
    OpenAiEmbedder, OpenAiOptions, QueryCache,
};
use tokio::runtime::Handle;

use super::super::args::EmbedArgs;
use super::super::failure::Failure;

/// Refuses a name that no model can have, before anything is started.
pub(super) fn check(arguments: &EmbedArgs) -> Result<(), Failure> {
    let model = arguments.embed_model.as_str();
    let device = arguments.embed_device;
    let refused =
        |error: EmbedError| Failure::setting(format!("--embed-device (EMBED_DEVICE): {error}"));
    NeuralEmbedder::check_device(device).map_err(refused)?;
    if server(arguments).is_some() || LexicalEmbedder::of_name(model).is_some() {
        if matches!(device, Device::Cuda(_)) {
            return Err(Failure::setting(format!(
                "--embed-device (EMBED_DEVICE): {device} runs neural models, and {model} is {}: give --embed-device auto, or a model such as BAAI/bge-m3",
                if server(arguments).is_some() {
                    "run by the server of --embed-base-url"
                } else {
                    "none"
                }
            )));
        }
        return Ok(());
    }
    NeuralEmbedder::check_name(model)
        .map_err(|error| Failure::setting(format!("--embed-model (EMBED_MODEL): {error}")))
}

fn server(arguments: &EmbedArgs) -> Option<&str> {
    let url = arguments.embed_base_url.as_deref();
    url.filter(|url| !url.is_empty())
}

/// Loads the model and runs it once, which blocks. Requests to a server run on `runtime`.
pub(in crate::cli) fn embedder(
    arguments: &EmbedArgs,
    runtime: Handle,
) -> Result<Arc<dyn Embedder>, Failure> {
    let refused = |error| Failure::of("faiss-wrap cannot start", &error);
    let model = arguments.embed_model.as_str();
    let embedder: Arc<dyn Embedder> = if let Some(server) = server(arguments) {
        let options = OpenAiOptions {
            api_key: arguments
                .embed_api_key
                .clone()
                .filter(|key| !key.is_empty()),
            ..OpenAiOptions::new(server, model)
        };
        Arc::new(OpenAiEmbedder::connect(options, runtime).map_err(refused)?)
    } else if let Some(lexical) = LexicalEmbedder::of_name(model) {
        // So fast that neither a queue nor a cache would help.
        return Ok(Arc::new(lexical));
    } else {
        neural(arguments).map_err(refused)?
    };
    Ok(match NonZeroUsize::new(arguments.embed_cache) {
        Some(capacity) => Arc::new(QueryCache::new(embedder, capacity)),
        None => embedder,
    })
}

fn neural(arguments: &EmbedArgs) -> Result<Arc<dyn Embedder>, EmbedError> {
    let options = NeuralOptions {
        device: arguments.embed_device,
        weights: arguments.embed_dtype,
        threads: arguments.embed_threads,
        batch_tokens: arguments.embed_batch_tokens,
    };
    let neural = NeuralEmbedder::open(&arguments.embed_model, &options)?;
    let tokens = arguments
        .embed_batch_tokens
        .unwrap_or(match neural.device() {
            Device::Cuda(_) => NeuralOptions::GPU_BATCH_TOKENS,
            Device::Auto | Device::Cpu => BatchLimits::default().tokens,
        });
    // The first pass touches all weights and starts all threads.
    neural.embed(&["The model is warm when it has been run once."])?;
    let limits = BatchLimits {
        tokens,
        queue: arguments.embed_queue,
    };
    Ok(Arc::new(Batcher::new(Arc::new(neural), limits)?))
}
