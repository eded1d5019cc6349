//! A stand-in for an LLM: it answers with sentences of the context it is given.
//!
//! For demos and tests without a model. It invents nothing: each sentence is copied from a passage
//! and said to be from there, and without a passage that shares the question's words it says that it
//! does not know. The same request always gets the same answer.

use std::collections::BTreeSet;
use std::vec;

use super::block::{ContextBlock, Passage};
use super::tokens::{count_tokens, pieces};
use super::{ChatRequest, NO_THINK, Role, Usage};
use crate::chunk::sentences;
use crate::embed::words::{Word, WordKind, words};

/// The stand-in's name as a model.
pub const MODEL: &str = "llasta/extractive";

/// The most sentences an answer copies.
const SENTENCES: usize = 3;
/// The least share of the question's words, by weight, that a sentence must have.
const LEAST_MATCH: f32 = 0.3;
/// What a word in the heading counts, beside 1 for one in the sentence.
const HEADING_SHARE: f32 = 0.3;
/// A sentence this much worse than the best one is not worth saying.
const LEAST_OF_BEST: f32 = 0.6;

/// An answer, as an iterator over its tokens, so that it can be streamed.
#[derive(Clone, Debug)]
pub struct Answer {
    tokens: vec::IntoIter<String>,
    usage: Usage,
    finish_reason: &'static str,
}

impl Answer {
    /// How many tokens the request and the whole answer take.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// `stop`, or `length` where `max_tokens` cut the answer.
    pub fn finish_reason(&self) -> &'static str {
        self.finish_reason
    }
}

impl Iterator for Answer {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.tokens.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.tokens.size_hint()
    }
}

impl ExactSizeIterator for Answer {}

/// Answers the last user message of a conversation from the context blocks of its system messages.
///
/// The answer begins with a `<think>` block unless that message ends in ` /no_think`. Tokens are those
/// of [`pieces`]; the prompt's are the sum over the messages' contents.
pub fn answer(request: &ChatRequest) -> Answer {
    let question = request
        .messages
        .iter()
        .rev()
        .find(|message| message.role == Role::User);
    let question = question.map_or("", |message| message.content.trim_end());
    let (question, think) = match question.strip_suffix(NO_THINK.trim_start()) {
        Some(question) => (question, false),
        None => (question, true),
    };
    let instructions = request
        .messages
        .iter()
        .filter(|message| matches!(message.role, Role::System | Role::Developer));
    let passages: Vec<_> = instructions
        .flat_map(|message| ContextBlock::read(&message.content))
        .collect();

    let asked = content_words(question);
    let found = best_sentences(&asked, &passages);
    let mut text = String::new();
    if think {
        text = format!("<think>{}</think>\n\n", thoughts(&asked, &passages, &found));
    }
    text.push_str(&reply(&passages, &found));

    let limit = request
        .max_tokens
        .map_or(usize::MAX, |tokens| tokens as usize);
    let tokens: Vec<_> = pieces(&text).take(limit).map(str::to_owned).collect();
    let finish_reason = if tokens.len() < count_tokens(&text) {
        "length"
    } else {
        "stop"
    };
    let prompt_tokens: usize = request
        .messages
        .iter()
        .map(|message| count_tokens(&message.content))
        .sum();
    let usage = Usage {
        prompt_tokens: saturating(prompt_tokens),
        completion_tokens: saturating(tokens.len()),
        total_tokens: saturating(prompt_tokens + tokens.len()),
    };
    Answer {
        tokens: tokens.into_iter(),
        usage,
        finish_reason,
    }
}

/// A sentence of a passage, with how well it matches.
struct Found<'a> {
    passage: usize,
    position: usize,
    sentence: &'a str,
    match_share: f32,
}

/// The sentences worth saying, in the order of the context.
fn best_sentences<'a>(asked: &BTreeSet<Word>, passages: &'a [Passage]) -> Vec<Found<'a>> {
    let total: f32 = asked.iter().map(weight).sum();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (passage, Passage { text, .. }) in passages.iter().enumerate() {
        let (heading, body) = heading_and_body(text);
        let heading: BTreeSet<_> = words(heading).into_iter().collect();
        for (position, sentence) in body.lines().flat_map(statements).enumerate() {
            let said: BTreeSet<_> = words(sentence).into_iter().collect();
            let shared: f32 = asked.intersection(&said).map(weight).sum();
            // Chunks overlap; a sentence is said once.
            if shared >= LEAST_MATCH * total && shared > 0.0 && seen.insert(sentence) {
                let above: f32 = asked.intersection(&heading).map(weight).sum();
                // Of two sentences that share as much, the one with fewer other words says more.
                let match_share =
                    (shared + HEADING_SHARE * above) / total - 0.002 * said.len() as f32;
                found.push(Found {
                    passage,
                    position,
                    sentence,
                    match_share,
                });
            }
        }
    }
    found.sort_by(|a, b| b.match_share.total_cmp(&a.match_share));
    found.truncate(SENTENCES);
    let least = found
        .first()
        .map_or(0.0, |best| best.match_share * LEAST_OF_BEST);
    found.retain(|sentence| sentence.match_share >= least);
    found.sort_by_key(|sentence| (sentence.passage, sentence.position));
    found
}

/// What one line says: a table's row as a whole, else its sentences without bullets and the lines of
/// drawn trees.
fn statements(line: &str) -> Vec<&str> {
    if line.trim_start().starts_with('|') {
        return vec![line.trim()];
    }
    let drawn = |c: char| c.is_whitespace() || matches!(c, '-' | '*' | '│' | '├' | '└' | '─');
    sentences(line.trim_start_matches(drawn)).collect()
}

/// A passage's first line, where it stands apart and ends like a heading, and the rest. A heading says
/// what its sentences are about, and answers nothing.
fn heading_and_body(text: &str) -> (&str, &str) {
    match text.split_once("\n\n") {
        Some((first, rest))
            if !first.contains('\n') && !first.ends_with(['.', '!', '?', ':', '|', '`']) =>
        {
            (first, rest)
        }
        _ => ("", text),
    }
}

fn reply(passages: &[Passage], found: &[Found<'_>]) -> String {
    if passages.is_empty() {
        return "I was given no context to answer from.".to_owned();
    }
    if found.is_empty() {
        return "The context I was given does not answer this question.".to_owned();
    }
    let mut text = String::new();
    let mut previous = None;
    for sentence in found {
        let header = &passages[sentence.passage].header;
        if previous == Some(header) {
            text.push(' ');
        } else {
            if previous.is_some() {
                text.push_str("\n\n");
            }
            text.push_str(&format!("According to {header}: "));
        }
        text.push_str(sentence.sentence);
        text.push_str(&format!(" [{}]", sentence.passage + 1));
        previous = Some(header);
    }
    text
}

fn thoughts(asked: &BTreeSet<Word>, passages: &[Passage], found: &[Found<'_>]) -> String {
    format!(
        "Words of the question that say something: {}. Of {} passages I take {} sentences.",
        asked.len(),
        passages.len(),
        found.len()
    )
}

fn content_words(question: &str) -> BTreeSet<Word> {
    words(question)
        .into_iter()
        .filter(|word| word.kind != WordKind::Stop)
        .collect()
}

fn weight(word: &Word) -> f32 {
    if word.kind == WordKind::Name {
        2.0
    } else {
        1.0
    }
}

fn saturating(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::ChatMessage;
    use super::*;

    fn request(question: &str, passages: &[Passage]) -> ChatRequest {
        let mut block = ContextBlock::default();
        for passage in passages {
            block.push(passage, usize::MAX);
        }
        ChatRequest {
            model: MODEL.to_owned(),
            messages: vec![
                ChatMessage::new(Role::System, "Be brief."),
                ChatMessage::new(Role::System, block.text()),
                ChatMessage::new(Role::User, question),
            ],
            stream: false,
            stream_options: None,
            temperature: None,
            max_tokens: None,
        }
    }

    fn passages() -> [Passage; 2] {
        [
            Passage::new(
                "docs/a.md",
                None,
                "Grafana shows dashboards. Alloy scrapes every pod.",
            ),
            Passage::new(
                "b.pdf",
                Some(2),
                "Tempo stores traces. The trace port of Alloy is 4317.",
            ),
        ]
    }

    #[test]
    fn it_answers_with_the_matching_sentence_and_its_source() {
        let text: String =
            answer(&request("Which port takes traces? /no_think", &passages())).collect();
        assert_eq!(
            text,
            "According to b.pdf, page 2: The trace port of Alloy is 4317. [2]"
        );
    }

    #[test]
    fn it_thinks_unless_told_not_to() {
        let text: String = answer(&request("Which port takes traces?", &passages())).collect();
        assert!(
            text.starts_with("<think>Words of the question that say something: 3. Of 2 passages"),
            "{text}"
        );
        assert!(text.contains("</think>\n\nAccording to b.pdf"), "{text}");
    }

    #[test]
    fn a_sentence_in_two_passages_is_said_once() {
        let passages =
            ["a", "b"].map(|source| Passage::new(source, None, "The port of Alloy is 4317."));
        let text: String = answer(&request("Which port? /no_think", &passages)).collect();
        assert_eq!(text, "According to a: The port of Alloy is 4317. [1]");
    }

    #[test]
    fn a_row_of_a_table_is_said_whole_and_a_bullet_is_not_said() {
        let table = "| key | meaning |\n| `top_k` ! | chunks. requested |";
        let passages = [
            Passage::new("a", None, table),
            Passage::new("b", None, "- one\n  - the top_k key"),
        ];
        let text: String = answer(&request("What is top_k? /no_think", &passages)).collect();
        assert_eq!(
            text,
            "According to a: | `top_k` ! | chunks. requested | [1]\n\nAccording to b: the top_k key [2]"
        );
    }

    #[test]
    fn a_heading_lends_weight_and_is_not_said() {
        let passages = [
            Passage::new("a", None, "Shutdown\n\nIt takes 1 s at most."),
            Passage::new("b", None, "Startup\n\nIt takes 2 s at most."),
        ];
        let text: String = answer(&request(
            "How long does shutdown take at most? /no_think",
            &passages,
        ))
        .collect();
        assert!(
            text.starts_with("According to a: It takes 1 s at most. [1]"),
            "{text}"
        );
        assert!(!text.contains("Shutdown"), "{text}");
    }

    #[test]
    fn it_says_when_the_context_does_not_answer_or_is_missing() {
        let text: String = answer(&request("Who baked the cake? /no_think", &passages())).collect();
        assert_eq!(
            text,
            "The context I was given does not answer this question."
        );
        let text: String = answer(&request("Which port? /no_think", &[])).collect();
        assert_eq!(text, "I was given no context to answer from.");
        let mut empty = request("", &passages());
        empty.messages.clear();
        assert!(answer(&empty).collect::<String>().contains("no context"));
    }

    #[test]
    fn the_usage_counts_what_is_sent_and_max_tokens_cuts_it() {
        let mut request = request("Which port takes traces? /no_think", &passages());
        let whole = answer(&request);
        assert_eq!(whole.usage().completion_tokens as usize, whole.len());
        assert_eq!(whole.finish_reason(), "stop");
        request.max_tokens = Some(4);
        let cut = answer(&request);
        assert_eq!((cut.len(), cut.finish_reason()), (4, "length"));
        assert_eq!(cut.usage().total_tokens, cut.usage().prompt_tokens + 4);
        assert_eq!(cut.collect::<String>(), "According to b.");
    }
}
