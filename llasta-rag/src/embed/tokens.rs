//! How many tokens a text has, without the model's weights.

use super::words::words;
use super::{EmbedError, LexicalEmbedder, NeuralTokenizer};

/// Counts tokens as an embedding model does.
#[derive(Clone, Debug)]
pub struct TokenCounter(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Words,
    Model(NeuralTokenizer),
}

impl TokenCounter {
    /// How many tokens the text has, without those that the model adds at its ends. The built-in
    /// lexical model counts words.
    pub fn count(&self, text: &str) -> usize {
        match &self.0 {
            Kind::Words => words(text).len(),
            Kind::Model(tokenizer) => tokenizer.count(text),
        }
    }

    /// The most tokens, counted so, that the model reads of a text; `None` where it reads all.
    pub fn max_tokens(&self) -> Option<usize> {
        match &self.0 {
            Kind::Words => None,
            Kind::Model(tokenizer) => Some(tokenizer.max_tokens()),
        }
    }
}

/// The counter of a model: the built-in one's name, a folder, or a Hugging Face repository such as
/// `BAAI/bge-m3`. Of a model only the tokenizer and its settings are read (and downloaded).
///
/// # Errors
///
/// A model that cannot be found or is damaged, or a build without the feature `candle`.
pub fn token_counter(model: &str) -> Result<TokenCounter, EmbedError> {
    if LexicalEmbedder::of_name(model).is_some() {
        return Ok(TokenCounter(Kind::Words));
    }
    Ok(TokenCounter(Kind::Model(NeuralTokenizer::open(model)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_model_counts_words_and_reads_all() {
        let counter = token_counter("llasta/lexical-hash-1024").unwrap();
        assert_eq!(counter.count("Three short words."), 3);
        assert_eq!(counter.count(" \n"), 0);
        assert_eq!(counter.max_tokens(), None);
    }

    #[test]
    fn a_name_that_is_no_model_is_refused_with_what_can_be_given() {
        let message = token_counter("foo").unwrap_err().to_string();
        assert!(message.contains("foo"), "{message}");
        let allowed = if cfg!(feature = "candle") {
            "folder"
        } else {
            "--features candle"
        };
        assert!(message.contains(allowed), "{message}");
    }
}
