//! Search results to a prompt.

use super::SearchResult;
use crate::generate::{ChatMessage, ContextBlock, NO_THINK, Passage, Role};

/// The results whose score is at least `min_score`, in the same order.
///
/// They are compared as scores are written, in single precision: a score of 0.7 is not below 0.7.
pub fn filter(mut results: Vec<SearchResult>, min_score: f64) -> Vec<SearchResult> {
    results.retain(|result| result.score >= min_score as f32);
    results
}

/// What is told to the model beside the conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    /// The context block; empty when no chunk is used.
    pub text: String,
    /// The length of the block in Unicode scalar values.
    pub chars: usize,
    /// The chunks in it, in the order in which they were given.
    pub chunks: Vec<SearchResult>,
}

/// The passage of a chunk: its text under its source and page.
///
/// See [`SearchResult::source`] and [`SearchResult::page`].
pub fn passage(chunk: &SearchResult) -> Passage {
    Passage::new(chunk.source(), chunk.page(), &chunk.text)
}

/// Takes whole chunks, each under a header with its source and page, until the next would make the
/// block longer than `max_chars` Unicode scalar values.
pub fn build_context(chunks: &[SearchResult], max_chars: usize) -> Context {
    let mut block = ContextBlock::default();
    for chunk in chunks {
        if !block.push(&passage(chunk), max_chars) {
            break;
        }
    }
    Context {
        text: block.text().to_owned(),
        chars: block.chars(),
        chunks: chunks[..block.passages()].to_vec(),
    }
}

/// Inserts the context as a system message: after the system messages that are there, else first. An
/// empty context inserts nothing.
pub fn insert_context(messages: &mut Vec<ChatMessage>, context: &Context) {
    if context.text.is_empty() {
        return;
    }
    let is_system = |message: &ChatMessage| matches!(message.role, Role::System | Role::Developer);
    let after = messages.iter().position(is_system).map_or(0, |first| {
        first
            + messages[first..]
                .iter()
                .take_while(|message| is_system(message))
                .count()
    });
    messages.insert(after, ChatMessage::new(Role::System, context.text.as_str()));
}

/// Asks a thinking model to answer at once, by ` /no_think` at the end of the last user message.
pub fn disable_thinking(messages: &mut [ChatMessage]) {
    let last = messages
        .iter_mut()
        .rev()
        .find(|message| message.role == Role::User);
    if let Some(message) = last.filter(|message| !message.content.ends_with(NO_THINK)) {
        message.content.push_str(NO_THINK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn result(id: &str, text: &str, metadata: &Value, score: f32) -> SearchResult {
        SearchResult {
            id: id.to_owned(),
            text: text.to_owned(),
            metadata: metadata.clone(),
            score,
        }
    }

    fn messages(roles: &[Role]) -> Vec<ChatMessage> {
        roles
            .iter()
            .map(|&role| ChatMessage::new(role, "x"))
            .collect()
    }

    #[test]
    fn results_at_the_threshold_stay_and_below_it_go() {
        let results: Vec<_> = [0.75, 0.5, 0.49]
            .map(|score| result("a", "", &json!({}), score))
            .into();
        assert_eq!(filter(results, 0.5).len(), 2);
        // 0.7 has another value in double precision.
        assert_eq!(filter(vec![result("a", "", &json!({}), 0.7)], 0.7).len(), 1);
    }

    #[test]
    fn each_chunk_stands_under_its_source_and_page() {
        let context = build_context(
            &[
                result("x", "First.", &json!({"source": "a.pdf", "page": 3}), 0.9),
                result("y", "Second.", &json!(["no", "object"]), 0.8),
            ],
            4000,
        );
        assert!(
            context
                .text
                .contains("\n\n[1] Source: a.pdf, page 3\nFirst."),
            "{}",
            context.text
        );
        assert!(
            context.text.ends_with("\n\n[2] Source: y\nSecond."),
            "{}",
            context.text
        );
        assert_eq!(context.chars, context.text.chars().count());
        assert_eq!(context.chunks.len(), 2);
    }

    #[test]
    fn whole_chunks_are_taken_until_one_does_not_fit() {
        let chunks = ["é".repeat(100), "b".repeat(150), "c".to_owned()]
            .map(|text| result("a", &text, &json!({}), 0.9));
        let one = build_context(&chunks[..1], 4000).chars;
        let context = build_context(&chunks, one);
        assert_eq!((context.chunks.len(), context.chars), (1, one));
        assert_eq!(build_context(&chunks, one - 1), Context::default());
        assert_eq!(build_context(&chunks, one + 100).chunks.len(), 1);
    }

    #[test]
    fn the_context_goes_after_the_system_messages_or_first() {
        use Role::{Assistant, Developer, System, User};
        let context = build_context(&[result("a", "t", &json!({}), 1.0)], 4000);
        for (roles, expected) in [
            (&[User][..], 0),
            (&[System, User], 1),
            (&[System, Developer, User, Assistant], 2),
            (&[User, System, User], 2),
            (&[], 0),
        ] {
            let mut messages = messages(roles);
            insert_context(&mut messages, &context);
            assert_eq!(messages.len(), roles.len() + 1);
            assert_eq!(
                messages[expected],
                ChatMessage::new(System, context.text.as_str())
            );
        }
        let mut unchanged = messages(&[User]);
        insert_context(&mut unchanged, &Context::default());
        assert_eq!(unchanged.len(), 1);
    }

    #[test]
    fn only_the_last_user_message_asks_not_to_think_and_only_once() {
        let mut messages = messages(&[Role::User, Role::User, Role::Assistant]);
        disable_thinking(&mut messages);
        disable_thinking(&mut messages);
        let contents: Vec<_> = messages
            .iter()
            .map(|message| message.content.as_str())
            .collect();
        assert_eq!(contents, ["x", "x /no_think", "x"]);
    }
}
