//! Texts to token ids, as the model was trained.

use std::sync::Arc;

use rayon::prelude::*;
use tokenizers::{PostProcessor, Tokenizer};

use super::super::EmbedError;
use super::config::Config;
use super::files::Files;

/// A text as the model reads it.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    /// With the special tokens at its ends.
    pub(super) ids: Vec<u32>,
    /// How many were cut off.
    pub(super) truncated: usize,
}

/// A neural model's tokenizer. Clones share one.
#[derive(Clone)]
pub struct NeuralTokenizer {
    tokenizer: Arc<Tokenizer>,
    model: Arc<str>,
    /// Of a text, without the special tokens.
    most: usize,
}

impl std::fmt::Debug for NeuralTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeuralTokenizer")
            .field("model", &self.model)
            .field("max_tokens", &self.most)
            .finish_non_exhaustive()
    }
}

impl NeuralTokenizer {
    /// Reads the tokenizer of a model in a folder or a Hugging Face repository.
    ///
    /// # Errors
    ///
    /// A model that cannot be found, or whose tokenizer or settings are damaged.
    pub fn open(model: &str) -> Result<Self, EmbedError> {
        let files = Files::open(model)?;
        let config = Config::read(&files)?;
        Self::read(&files, &config)
    }

    pub(super) fn read(files: &Files, config: &Config) -> Result<Self, EmbedError> {
        const FILE: &str = "tokenizer.json";
        let path = files.required(FILE)?;
        let mut tokenizer =
            Tokenizer::from_file(path).map_err(|error| files.damaged(FILE, error))?;
        // Files come with the truncation and padding of whatever they were last used for.
        tokenizer
            .with_truncation(None)
            .map_err(|error| files.damaged(FILE, error))?;
        tokenizer.with_padding(None);
        let largest = tokenizer.get_vocab(true).into_values().max();
        if largest.is_none_or(|id| id as usize >= config.vocabulary) {
            return Err(files.damaged(
                FILE,
                format!(
                    "it has ids up to {}, and config.json gives the model {} of them: they are not of one model",
                    largest.unwrap_or_default(),
                    config.vocabulary
                ),
            ));
        }
        let added = tokenizer
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(false));
        let most = config.max_length.saturating_sub(added);
        if most == 0 {
            return Err(files.damaged(
                "config.json",
                format!("{} positions leave no room for a text", config.max_length),
            ));
        }
        Ok(Self {
            tokenizer: Arc::new(tokenizer),
            model: files.name().into(),
            most,
        })
    }

    /// How many tokens the text has, without those that the model adds at its ends.
    pub fn count(&self, text: &str) -> usize {
        // A text that cannot be split (no tokenizer in use does that) counts as its characters.
        self.tokenizer
            .encode_fast(text, false)
            .map_or_else(|_| text.chars().count(), |encoding| encoding.len())
    }

    /// The most tokens, counted so, that the model reads of a text.
    pub fn max_tokens(&self) -> usize {
        self.most
    }

    /// The ids of each text, cut to what the model reads, on the current thread pool.
    pub(super) fn encode(&self, texts: &[&str]) -> Result<Vec<Tokens>, EmbedError> {
        texts.par_iter().map(|text| self.encode_one(text)).collect()
    }

    fn encode_one(&self, text: &str) -> Result<Tokens, EmbedError> {
        let failed = |error: tokenizers::Error| EmbedError::Model {
            model: self.model.to_string(),
            message: format!("a text cannot be tokenized: {error}"),
        };
        let mut encoding = self.tokenizer.encode_fast(text, false).map_err(failed)?;
        let truncated = encoding.len().saturating_sub(self.most);
        if truncated > 0 {
            encoding.truncate(self.most, 0, tokenizers::TruncationDirection::Right);
            encoding.take_overflowing();
        }
        let encoding = self
            .tokenizer
            .post_process(encoding, None, true)
            .map_err(failed)?;
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            truncated,
        })
    }

    /// The ids of start, end, padding and unknown, which are no words.
    pub(super) fn no_words(&self) -> Vec<u32> {
        const NAMES: [&str; 8] = [
            "<s>", "</s>", "<pad>", "<unk>", "[CLS]", "[SEP]", "[PAD]", "[UNK]",
        ];
        NAMES
            .iter()
            .filter_map(|name| self.tokenizer.token_to_id(name))
            .collect()
    }
}
