//! Lines that a chat request does not reach when something fails before them.
//!
//! A refused question is not searched for, a neighbour that is down answers nothing, an LLM that
//! fails gives nothing to read, and a client that leaves ends the request wherever it stands. What
//! comes after such an end need not be there; what comes before it must.

use super::tree::{
    CHAT, CONTEXT, EMBED, GENERATE, INDEX, LLM_CALL, RESPONSE, RETRIEVE, SEARCH, SEARCH_CALL,
    SEARCH_SERVED, SEND,
};
use crate::schema::http::{CLIENT_DISCONNECT, ERROR_TYPE, RESPONSE_STATUS_CODE};
use crate::schema::{llm, otel};
use crate::testing::CapturedSpan;

/// Which span is which line.
pub(super) type Found<'a> = [Option<&'a CapturedSpan>; 12];

/// Whether a line that was not found need not be there.
pub(super) fn excused(found: &Found<'_>, line: usize) -> bool {
    let there = |line: usize| found[line].is_some();
    let none_of = |lines: &[usize]| lines.iter().all(|line| !there(*line));
    let failed = |line: usize| found[line].is_some_and(ended_early);
    // A parent that need not be there has no children.
    let gone = |line: usize| !there(line) && excused(found, line);
    let left = found[CHAT].is_some_and(has_left);
    let refused = found[CHAT]
        .and_then(|chat| chat.int(RESPONSE_STATUS_CODE.name()))
        .is_some_and(|code| (400..500).contains(&code));
    match line {
        CHAT => false,
        RETRIEVE => (refused || left) && none_of(&[SEARCH_CALL, CONTEXT, GENERATE, SEND]),
        SEARCH_CALL => gone(RETRIEVE) || left && none_of(&[SEARCH_SERVED, CONTEXT, GENERATE]),
        // Without a status code, nobody answered.
        SEARCH_SERVED => {
            let answered =
                |call: &CapturedSpan| call.attributes.contains_key(RESPONSE_STATUS_CODE.name());
            gone(SEARCH_CALL)
                || found[SEARCH_CALL].is_some_and(|call| ended_early(call) && !answered(call))
        }
        SEARCH => gone(SEARCH_SERVED) || failed(SEARCH_SERVED),
        EMBED => gone(SEARCH) || failed(SEARCH) && !there(INDEX),
        INDEX => gone(SEARCH) || failed(SEARCH),
        CONTEXT => gone(RETRIEVE) || left && none_of(&[GENERATE, SEND]),
        GENERATE => gone(CONTEXT) || left && none_of(&[LLM_CALL, RESPONSE, SEND]),
        LLM_CALL => gone(GENERATE) || left && none_of(&[RESPONSE, SEND]),
        RESPONSE => gone(GENERATE) || failed(GENERATE) || left && !there(SEND),
        // A stream that fails says so in its last event, which is sent like the others.
        SEND => {
            gone(GENERATE)
                || left
                || failed(GENERATE) && found[GENERATE].is_some_and(|call| !is_streamed(call))
        }
        _ => false,
    }
}

/// It failed, refused or was given up.
pub(super) fn ended_early(span: &CapturedSpan) -> bool {
    span.status == "error"
        || span.attributes.contains_key(ERROR_TYPE.name())
        || span
            .int(RESPONSE_STATUS_CODE.name())
            .is_some_and(|code| code >= 400)
}

/// Whoever asked went away before the last byte.
pub(super) fn has_left(chat: &CapturedSpan) -> bool {
    chat.text(ERROR_TYPE.name()) == Some(CLIENT_DISCONNECT)
}

/// Whether `vllm.generate` is of a streamed answer, under either name.
pub(super) fn is_streamed(generate: &CapturedSpan) -> bool {
    let is = |name| generate.bool(name) == Some(true);
    is(llm::STREAM.name()) || is(otel::REQUEST_STREAM.name())
}
