//! Names in running text.

use super::known::Known;

/// How the names of our metrics begin.
const PREFIXES: [&str; 5] = [
    "chatbot_",
    "faiss_wrap_",
    "vllm_",
    "llasta_telemetry_",
    "llasta_build_",
];

pub(super) fn breaches(text: &str, known: &Known) -> Vec<String> {
    let mut found = Vec::new();
    let metric = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for word in text.split(|letter| !metric(letter)) {
        let named = PREFIXES.iter().any(|prefix| {
            word.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty())
        });
        if named && !known.is_a_metric(word) {
            found.push(format!("there is no metric `{word}`"));
        }
    }
    // Attributes stand between backticks.
    for word in text.split('`').skip(1).step_by(2) {
        let plain = word.chars().all(|letter| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._".contains(letter)
        });
        let schema = &known.schema;
        if plain && schema.owns(word) && schema.key(word).is_none() && schema.span(word).is_none() {
            found.push(format!("there is no attribute or span `{word}`"));
        }
    }
    found
}
