//! The neural models' place in a build without them: the same face, which says which feature to turn
//! on.

use std::convert::Infallible;

use super::{EmbedError, Embedder, Embedding, Kinds, NeuralOptions};
use crate::Device;

fn missing(model: &str) -> EmbedError {
    EmbedError::NotCompiledIn {
        model: model.to_owned(),
        feature: "candle",
    }
}

/// A neural model, which this build lacks. No value of this type exists.
#[derive(Debug)]
pub struct NeuralEmbedder(Infallible);

impl NeuralEmbedder {
    /// Whether this build has neural models.
    pub const AVAILABLE: bool = false;

    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`EmbedError::NotCompiledIn`].
    pub fn check_name(model: &str) -> Result<(), EmbedError> {
        Err(missing(model))
    }

    /// Whether this build could run models on the device: the CPU it takes for possible, as what is
    /// missing is said of the model.
    ///
    /// # Errors
    ///
    /// [`EmbedError::Device`] for a GPU.
    pub fn check_device(device: Device) -> Result<(), EmbedError> {
        if matches!(device, Device::Cuda(_)) {
            return Err(EmbedError::Device {
                device: device.to_string(),
                message: "this build has no CUDA: build it with cargo build -p llasta-rag --features cuda, or give --embed-device cpu".to_owned(),
            });
        }
        Ok(())
    }

    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`EmbedError::NotCompiledIn`].
    pub fn open(model: &str, _options: &NeuralOptions) -> Result<Self, EmbedError> {
        Err(missing(model))
    }

    /// Cannot be called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn embed_kinds(
        &self,
        _texts: &[&str],
        _kinds: Kinds,
    ) -> Result<Vec<Embedding>, EmbedError> {
        match self.0 {}
    }
}

impl Embedder for NeuralEmbedder {
    fn model(&self) -> &str {
        match self.0 {}
    }

    fn dimension(&self) -> usize {
        match self.0 {}
    }

    fn device(&self) -> Device {
        match self.0 {}
    }

    fn embed(&self, _texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        match self.0 {}
    }
}

/// A neural model's tokenizer, which this build lacks. No value of this type exists.
#[derive(Clone, Debug)]
pub struct NeuralTokenizer(Infallible);

impl NeuralTokenizer {
    /// Says which feature is missing.
    ///
    /// # Errors
    ///
    /// Always [`EmbedError::NotCompiledIn`].
    pub fn open(model: &str) -> Result<Self, EmbedError> {
        Err(missing(model))
    }

    /// Cannot be called.
    pub fn count(&self, _text: &str) -> usize {
        match self.0 {}
    }

    /// Cannot be called.
    pub fn max_tokens(&self) -> usize {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_candle_the_error_names_the_feature_and_the_model_that_needs_none() {
        let error = NeuralEmbedder::open("BAAI/bge-m3", &NeuralOptions::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("--features candle"), "{message}");
        assert!(message.contains("llasta/lexical-hash-1024"), "{message}");
    }
}
