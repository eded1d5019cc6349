//! What of a conversation and its passages fits into the LLM's window.
//!
//! The oldest turns go first, then the passages that rank lowest. Instructions and the question never
//! go: a question that does not fit by itself is refused before anything is searched.

use super::Service;
use crate::api::ApiError;
use crate::generate::{ChatMessage, Passage, Role, estimate_tokens, introduction};
use crate::pipeline::{SearchResult, passage};

/// Tokens that a chat template puts around one message: those of Gemma, Llama and Qwen take 4 to 6.
const PER_MESSAGE: usize = 8;
/// Tokens that a template adds to a conversation: its begin, the head of the answer, ` /no_think`, and
/// the system message that some put in where there is none.
const PER_CONVERSATION: usize = 64;
/// Tokens kept for the answer, where the request does not say how long it may be: this many, or a
/// quarter of a smaller window.
const ANSWER: usize = 1024;

/// Tokens for instructions, passages, conversation and question together; `None` where nobody knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    window: usize,
    answer: usize,
}

impl Room {
    fn new(window: usize, max_tokens: Option<u32>) -> Self {
        let answer = max_tokens.map_or(ANSWER.min(window / 4), |tokens| tokens as usize);
        Self { window, answer }
    }

    fn tokens(self) -> usize {
        self.window
            .saturating_sub(self.answer)
            .saturating_sub(PER_CONVERSATION)
    }
}

/// How much room there is.
///
/// # Errors
///
/// 422 when the instructions and the question alone are too long.
pub(super) async fn room(
    service: &Service,
    messages: &[ChatMessage],
    max_tokens: Option<u32>,
) -> Result<Option<Room>, ApiError> {
    let Some(window) = service.window.tokens().await else {
        return Ok(None);
    };
    let room = Room::new(window, max_tokens);
    let kept: Vec<_> = turns(messages)
        .iter()
        .zip(messages)
        .filter(|(turn, _)| turn.is_none())
        .map(|(_, message)| &*message.content)
        .collect();
    let around = kept.len() * PER_MESSAGE;
    let fits = |counts: &[usize]| counts.iter().sum::<usize>() + around <= room.tokens();
    let mut counts = estimated(&kept);
    if !fits(&counts) {
        counts = service.window.count(&kept).await.unwrap_or(counts);
    }
    if fits(&counts) {
        return Ok(Some(room));
    }
    let (needed, answer) = (counts.iter().sum::<usize>() + around, room.answer);
    Err(ApiError::field(
        "messages",
        &format!(
            "the question and the instructions take about {needed} tokens, and the LLM's window of \
             {window} has room for {} beside an answer of {answer}: shorten them, send a smaller \
             max_tokens, or serve the model with a larger window",
            room.tokens()
        ),
    ))
}

/// What goes to the LLM: which messages, and how many of the passages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitting {
    pub(super) keeps: Vec<bool>,
    pub(super) passages: usize,
}

impl Fitting {
    /// Everything.
    pub(super) fn all(messages: &[ChatMessage], found: &[SearchResult]) -> Self {
        Self {
            keeps: vec![true; messages.len()],
            passages: found.len(),
        }
    }
}

/// Leaves out what does not fit. The tokens are estimated; where the estimate is too much, the server
/// counts them if it can.
pub(super) async fn fit(
    service: &Service,
    room: Room,
    messages: &[ChatMessage],
    found: &[SearchResult],
) -> Fitting {
    let passages: Vec<_> = found
        .iter()
        .enumerate()
        .map(|(at, result)| Passage::under(&passage(result), at + 1))
        .collect();
    let mut texts: Vec<&str> = messages.iter().map(|message| &*message.content).collect();
    texts.push(introduction());
    texts.extend(passages.iter().map(|passage| &**passage));
    let turns = turns(messages);
    let fitting = leave_out(&turns, &estimated(&texts), room.tokens());
    if fitting == Fitting::all(messages, found) {
        return fitting;
    }
    match service.window.count(&texts).await {
        Some(counts) => leave_out(&turns, &counts, room.tokens()),
        None => fitting,
    }
}

fn estimated(texts: &[&str]) -> Vec<usize> {
    texts.iter().map(|text| estimate_tokens(text)).collect()
}

/// The number of the turn that each message belongs to, or `None` for what is never left out. A turn
/// is a question with its answer: a model's template may refuse one without the other.
fn turns(messages: &[ChatMessage]) -> Vec<Option<usize>> {
    let question = messages
        .iter()
        .rposition(|message| message.role == Role::User)
        .unwrap_or(0);
    let mut turn = 0;
    let numbered = messages.iter().enumerate().map(|(at, message)| {
        if matches!(message.role, Role::System | Role::Developer) || at >= question {
            return None;
        }
        turn += usize::from(message.role == Role::User);
        Some(turn)
    });
    numbered.collect()
}

/// `counts` are the tokens of the messages, of the introduction and of the passages, best first.
fn leave_out(turns: &[Option<usize>], counts: &[usize], room: usize) -> Fitting {
    let (messages, context) = counts.split_at(turns.len());
    let introduction = context.first().copied().unwrap_or(0);
    let mut passages = context.len().saturating_sub(1);
    let of_context = |passages: usize| match passages {
        0 => 0,
        some => PER_MESSAGE + introduction + context[1..=some].iter().sum::<usize>(),
    };
    let of_messages = |first: usize| {
        let kept = turns.iter().zip(messages);
        kept.filter(|(turn, _)| turn.is_none_or(|turn| turn >= first))
            .map(|(_, tokens)| tokens + PER_MESSAGE)
            .sum::<usize>()
    };
    let after_last = turns.iter().flatten().max().map_or(0, |last| last + 1);
    let mut first = 0;
    while first < after_last && of_messages(first) + of_context(passages) > room {
        first += 1;
    }
    while passages > 0 && of_messages(first) + of_context(passages) > room {
        passages -= 1;
    }
    Fitting {
        keeps: turns
            .iter()
            .map(|turn| turn.is_none_or(|turn| turn >= first))
            .collect(),
        passages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns_of(roles: &[Role]) -> Vec<Option<usize>> {
        let message = |role: &Role| ChatMessage::new(*role, "x");
        turns(&roles.iter().map(message).collect::<Vec<_>>())
    }

    #[test]
    fn a_turn_is_a_question_with_what_follows_it() {
        use Role::{Assistant, System, Tool, User};
        assert_eq!(
            turns_of(&[
                System, Assistant, User, Assistant, Tool, User, System, User, Assistant
            ]),
            [
                None,
                Some(0),
                Some(1),
                Some(1),
                Some(1),
                Some(2),
                None,
                None,
                None
            ]
        );
        assert_eq!(turns_of(&[User]), [None]);
    }

    #[test]
    fn old_turns_go_first_then_the_lowest_passages_and_never_the_question() {
        // Instructions 10, turns 100 and 50 each with an answer of 20, the question 30; the
        // introduction 5 and passages of 40, 40 and 40.
        let turns = [None, Some(1), Some(1), Some(2), Some(2), None];
        let counts = [10, 100, 20, 50, 20, 30, 5, 40, 40, 40];
        let all = counts.iter().sum::<usize>() + 7 * PER_MESSAGE;
        let fitting = |room| {
            let Fitting { keeps, passages } = leave_out(&turns, &counts, room);
            assert!(keeps[0] && keeps[5]);
            assert_eq!((keeps[1], keeps[3]), (keeps[2], keeps[4]));
            (keeps[1], keeps[3], passages)
        };
        assert_eq!(fitting(all), (true, true, 3));
        assert_eq!(fitting(all - 1), (false, true, 3));
        let one_turn = all - 120 - 2 * PER_MESSAGE;
        assert_eq!(fitting(one_turn), (false, true, 3));
        assert_eq!(fitting(one_turn - 1), (false, false, 3));
        let no_turn = one_turn - 70 - 2 * PER_MESSAGE;
        assert_eq!(fitting(no_turn), (false, false, 3));
        assert_eq!(fitting(no_turn - 1), (false, false, 2));
        assert_eq!(fitting(no_turn - 81), (false, false, 0));
        assert_eq!(fitting(0), (false, false, 0));
    }

    #[test]
    fn room_is_kept_for_the_answer() {
        assert_eq!(Room::new(32_768, None).tokens(), 32_768 - 1024 - 64);
        assert_eq!(Room::new(2048, None).tokens(), 2048 - 512 - 64);
        assert_eq!(Room::new(2048, Some(100)).tokens(), 2048 - 100 - 64);
        assert_eq!(Room::new(2048, Some(4000)).tokens(), 0);
    }
}
