//! The stand-in's idea of a token: a word or a punctuation mark, with the white space before it.
//!
//! No model counts like this; it is a rule that anybody can check by hand, for a server that has no
//! vocabulary.

/// Cuts a text into tokens. Their concatenation is the text.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begin = rest.find(|c: char| !c.is_whitespace())?;
        let mut characters = rest[begin..].chars();
        let first = characters.next()?;
        let mut end = begin + first.len_utf8();
        if is_word(first) {
            end += characters
                .take_while(|&c| is_word(c))
                .map(char::len_utf8)
                .sum::<usize>();
        }
        // White space at the very end belongs to the last token.
        if rest[end..].trim_start().is_empty() {
            end = rest.len();
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// How many tokens a text has. White space alone is none.
pub fn count_tokens(text: &str) -> usize {
    pieces(text).count()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_punctuation_are_tokens_and_nothing_is_lost() {
        let text = "  Don't stop: conf.top_k\nis 5!  ";
        let tokens: Vec<_> = pieces(text).collect();
        assert_eq!(
            tokens,
            [
                "  Don", "'", "t", " stop", ":", " conf", ".", "top_k", "\nis", " 5", "!  "
            ]
        );
        assert_eq!(tokens.concat(), text);
        assert_eq!(count_tokens("  \n"), 0);
    }
}
