//! A text's words, their stems and how much they say.
//!
//! Shared by the lexical embedder and the extractive stand-in, which must agree on what a word is.

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word {
    /// Lower case, without English endings.
    pub(crate) stem: String,
    /// What kind of word it is.
    pub(crate) kind: WordKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WordKind {
    /// An English function word: it says next to nothing about the subject.
    Stop,
    /// A word of the language.
    Plain,
    /// A name such as `some_index_size` or `conf.top_k`, beside the words it is made of.
    Name,
}

/// All words in order. A compound name comes as its parts and then once more as a whole.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !(c.is_alphanumeric() || is_joint(c))) {
        let run = run.trim_matches(is_joint);
        let mut parts = 0;
        for part in run.split(is_joint).filter(|part| !part.is_empty()) {
            parts += 1;
            let lower = part.to_lowercase();
            let kind = if is_stop(&lower) {
                WordKind::Stop
            } else {
                WordKind::Plain
            };
            words.push(Word {
                stem: stem(&lower),
                kind,
            });
        }
        if parts > 1 && !run.contains(['\'', '’']) {
            let stem = run.to_lowercase().replace(is_joint, "_");
            words.push(Word {
                stem,
                kind: WordKind::Name,
            });
        }
    }
    words
}

/// Characters that join parts into one name inside a word and separate nothing.
fn is_joint(c: char) -> bool {
    matches!(c, '_' | '.' | '-' | '\'' | '’' | '/' | ':')
}

/// Removes the English endings that change a word's form and not its subject. Much less than a full
/// stemmer does, and with fewer surprises; what it misses, the embedder's character n-grams catch.
fn stem(word: &str) -> String {
    let mut stem = word.to_owned();
    if !stem.is_ascii() || stem.len() < 4 || stem.bytes().any(|byte| byte.is_ascii_digit()) {
        return stem;
    }
    if stem.ends_with("sses") {
        stem.truncate(stem.len() - 2);
    } else if stem.ends_with("ies") && stem.len() > 4 {
        stem.truncate(stem.len() - 3);
        stem.push('y');
    } else if stem.ends_with('s') && !["ss", "us", "is"].iter().any(|end| stem.ends_with(end)) {
        stem.pop();
    }
    for ending in ["ing", "ed"] {
        let Some(root) = stem.strip_suffix(ending) else {
            continue;
        };
        if root.len() >= 3 && root.bytes().any(|byte| b"aeiouy".contains(&byte)) {
            stem.truncate(root.len());
            let bytes = stem.as_bytes();
            let doubled = bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
            if doubled && !b"lsz".contains(&bytes[bytes.len() - 1]) {
                stem.pop();
            }
            break;
        }
    }
    if stem.len() > 3 && stem.ends_with('e') {
        stem.pop();
    }
    stem
}

pub(crate) fn is_stop(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// English function words and the words questions are made of, sorted.
const STOP_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "against", "all", "also", "am", "an", "and", "any",
    "are", "as", "at", "be", "because", "been", "before", "being", "below", "between", "both",
    "but", "by", "can", "could", "d", "did", "do", "does", "doing", "don", "down", "during",
    "each", "else", "etc", "few", "for", "from", "further", "had", "has", "have", "having", "he",
    "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just",
    "let", "ll", "m", "me", "more", "most", "must", "my", "no", "nor", "not", "now", "of", "off",
    "on", "once", "one", "only", "or", "other", "our", "out", "over", "own", "please", "re", "s",
    "same", "shall", "she", "should", "so", "some", "such", "t", "tell", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too",
    "under", "until", "up", "us", "ve", "very", "was", "we", "were", "what", "when", "where",
    "which", "while", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn stems(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.stem).collect()
    }

    #[test]
    fn the_stop_words_are_sorted_so_that_each_is_found() {
        assert!(STOP_WORDS.is_sorted());
        assert!(STOP_WORDS.iter().all(|word| is_stop(word)));
    }

    #[test]
    fn forms_of_one_word_have_one_stem() {
        for forms in [
            "retrieve retrieves retrieved retrieving",
            "query queries",
            "metric metrics",
            "stop stops stopped stopping",
            "pass passes passed",
            "call calls called calling",
        ] {
            let stems = stems(forms);
            assert!(
                stems.iter().all(|stem| *stem == stems[0]),
                "{forms}: {stems:?}"
            );
        }
    }

    #[test]
    fn a_compound_name_comes_in_parts_and_whole() {
        let words = words("the `conf.top_k` value.");
        let stems: Vec<_> = words.iter().map(|word| word.stem.as_str()).collect();
        assert_eq!(stems, ["the", "conf", "top", "k", "conf_top_k", "valu"]);
        assert_eq!(words[4].kind, WordKind::Name);
        assert_eq!(words[0].kind, WordKind::Stop);
    }

    #[test]
    fn other_scripts_are_words_and_punctuation_is_none() {
        assert_eq!(stems("Größe — 温度 ... -- '"), ["größe", "温度"]);
    }
}
