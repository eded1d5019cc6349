//! How long a text is, and cutting by that.
//!
//! Each text is counted once: the length of what is put together is the sum of the lengths of its parts.
//! That is exact for characters, and for tokenizers that split at white space, which those of embedding
//! models do.

use std::fmt;
use std::sync::Arc;

/// Counts tokens.
pub trait TokenCount: Send + Sync {
    /// How many tokens the text has, without those that a model adds at its ends.
    fn count(&self, text: &str) -> usize;
}

impl<F: Fn(&str) -> usize + Send + Sync> TokenCount for F {
    fn count(&self, text: &str) -> usize {
        self(text)
    }
}

impl TokenCount for crate::embed::TokenCounter {
    fn count(&self, text: &str) -> usize {
        self.count(text)
    }
}

/// What lengths are given in.
#[derive(Clone, Default)]
pub enum Unit {
    /// Unicode scalar values.
    #[default]
    Chars,
    /// Tokens. A token counts as 32 characters at least, so that a text in which a model sees few tokens
    /// or none, such as a long line of hyphens, is cut as well.
    Tokens(Arc<dyn TokenCount>),
}

/// The most characters that go for one token.
const TOKEN_CHARS: usize = 32;

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Unit {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Chars => "characters",
            Self::Tokens(_) => "tokens",
        }
    }

    /// How many of them a text has.
    pub fn count(&self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Tokens(counter) => counter.count(text),
        }
    }

    /// A number of these units, as [`length`](Self::length) measures.
    pub(super) fn limit(&self, units: usize) -> usize {
        match self {
            Self::Chars => units,
            Self::Tokens(_) => units.saturating_mul(TOKEN_CHARS),
        }
    }

    /// The length of a text: characters, or parts of a token.
    pub(super) fn length(&self, text: &str) -> usize {
        match self {
            Self::Chars => text.chars().count(),
            Self::Tokens(counter) => (counter.count(text) * TOKEN_CHARS).max(text.chars().count()),
        }
    }

    /// The length of white space between two parts.
    pub(super) fn gap(&self, gap: &str) -> usize {
        match self {
            Self::Chars => gap.chars().count(),
            Self::Tokens(counter) => counter.count(gap) * TOKEN_CHARS,
        }
    }

    /// The last words of a text, at most `limit` long; of one long word nothing.
    pub(super) fn ending<'a>(&self, text: &'a str, limit: usize) -> &'a str {
        match self {
            Self::Chars => last_chars(text, limit),
            Self::Tokens(_) => {
                let (mut start, mut length) = (text.len(), 0);
                for (at, word) in words(text).into_iter().rev() {
                    length += self.length(word);
                    if length > limit {
                        break;
                    }
                    start = at;
                }
                text[start..].trim_end()
            }
        }
    }

    /// Pieces at most `limit` long, cut at the last space that allows it; a word that is too long by
    /// itself is cut between characters.
    pub(super) fn cut<'a>(&self, text: &'a str, limit: usize) -> Vec<&'a str> {
        match self {
            Self::Chars => cut_chars(text, limit),
            Self::Tokens(_) => self.cut_tokens(text, limit),
        }
    }

    fn cut_tokens<'a>(&self, text: &'a str, limit: usize) -> Vec<&'a str> {
        if self.length(text) <= limit {
            return vec![text];
        }
        let mut pieces = Vec::new();
        let mut piece = 0..0;
        let mut piece_length = 0;
        for (at, word) in words(text) {
            let length = self.length(word);
            if length > limit {
                pieces.push(&text[piece]);
                let parts = self.cut_word(word, limit);
                pieces.extend(parts);
                (piece, piece_length) = (0..0, 0);
                continue;
            }
            if piece.is_empty() || piece_length + length > limit {
                pieces.push(&text[piece]);
                (piece, piece_length) = (at..at, 0);
            }
            piece.end = at + word.len();
            piece_length += length;
        }
        pieces.push(&text[piece]);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Halves what is tried until it fits, so that the time does not grow with the square of the length.
    fn cut_word<'a>(&self, mut word: &'a str, limit: usize) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        while !word.is_empty() {
            let mut chars = limit.max(1);
            let piece = loop {
                let end = word
                    .char_indices()
                    .nth(chars)
                    .map_or(word.len(), |(end, _)| end);
                let piece = &word[..end];
                if chars == 1 || self.length(piece) <= limit {
                    break piece;
                }
                chars = chars.min(piece.chars().count()).div_ceil(2);
            };
            pieces.push(piece);
            word = &word[piece.len()..];
        }
        pieces
    }
}

/// The words of a text with where they begin.
fn words(text: &str) -> Vec<(usize, &str)> {
    let begin = text.as_ptr() as usize;
    text.split_whitespace()
        .map(|word| (word.as_ptr() as usize - begin, word))
        .collect()
}

fn last_chars(text: &str, limit: usize) -> &str {
    let Some((start, _)) = text.char_indices().rev().take(limit).last() else {
        return "";
    };
    let tail = &text[start..];
    if start == 0 || text[..start].ends_with(char::is_whitespace) {
        return tail.trim();
    }
    match tail.find(char::is_whitespace) {
        Some(space) => tail[space..].trim(),
        None => "",
    }
}

fn cut_chars(mut text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    while let Some((end, _)) = text.char_indices().nth(limit) {
        let space = text[..end]
            .rfind(char::is_whitespace)
            .filter(|&space| !text[..space].trim().is_empty());
        let (piece, rest) = text.split_at(space.unwrap_or(end));
        pieces.push(piece);
        text = if space.is_some() {
            rest.trim_start()
        } else {
            rest
        };
    }
    pieces.push(text);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Each letter and each digit is a token.
    fn letters() -> Unit {
        Unit::Tokens(Arc::new(|text: &str| {
            text.chars().filter(|c| c.is_alphanumeric()).count()
        }))
    }

    #[test]
    fn words_are_kept_whole_and_a_long_one_is_cut_between_characters() {
        let unit = letters();
        let limit = unit.limit(4);
        let pieces = unit.cut("ab cd e fghijklmno p. - q", limit);
        assert_eq!(
            (&pieces[..2], pieces[pieces.len() - 1]),
            (&["ab cd", "e"][..], "p. - q")
        );
        assert_eq!(pieces[2..pieces.len() - 1].concat(), "fghijklmno");
        assert!(
            pieces.iter().all(|piece| unit.length(piece) <= limit),
            "{pieces:?}"
        );
        assert_eq!(unit.cut("ab", limit), ["ab"]);
        assert_eq!(
            unit.ending("one two three four", unit.limit(9)),
            "three four"
        );
        assert_eq!(unit.ending("one", unit.limit(2)), "");
    }

    #[test]
    fn a_text_without_tokens_is_cut_as_well() {
        let unit = letters();
        let pieces = unit.cut(&"- ".repeat(500), unit.limit(2)).len();
        assert!(pieces > 5, "{pieces}");
        let line = "-".repeat(1000);
        assert_eq!(unit.cut(&line, unit.limit(2)).concat(), line);
    }

    #[test]
    fn what_is_counted_does_not_grow_with_the_square_of_the_text() {
        let counted = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&counted);
        let unit = Unit::Tokens(Arc::new(move |text: &str| {
            seen.fetch_add(text.len(), Ordering::Relaxed);
            text.chars().count()
        }));
        let limit = unit.limit(50);
        for text in ["x".repeat(100_000), "word ".repeat(20_000)] {
            counted.store(0, Ordering::Relaxed);
            unit.cut(&text, limit);
            let counted = counted.load(Ordering::Relaxed);
            assert!(counted < 100 * text.len(), "{counted}");
        }
    }
}
