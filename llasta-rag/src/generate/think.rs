//! What a model thinks apart from what it answers.
//!
//! Thinking models begin their text with `<think>`, think, close it with `</think>` and answer. The
//! tag counts only at the beginning, white space aside: an answer may well speak of `<think>`. White
//! space between `</think>` and the answer belongs to neither. A block that is never closed is all
//! thinking.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of text, told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The part inside `<think>`.
    pub thinking: String,
    /// The part after it.
    pub answer: String,
}

/// Takes a text in pieces cut anywhere and tells thinking from answer as soon as it can.
#[derive(Clone, Debug, Default)]
pub struct ThinkSplitter {
    state: State,
    /// What may yet turn out to be part of a tag.
    held: String,
    has_thinking: bool,
    raw_chars: usize,
    thinking_chars: usize,
    final_chars: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Thinking,
    /// After the end tag, before the first visible character.
    Gap,
    Answer,
}

impl ThinkSplitter {
    /// Takes the next piece and returns what is certain by now.
    pub fn push(&mut self, text: &str) -> Split {
        self.raw_chars += text.chars().count();
        self.held.push_str(text);
        let mut split = Split::default();
        while self.step(&mut split) {}
        self.counted(split)
    }

    /// Ends the text and returns what was held back.
    pub fn finish(&mut self) -> Split {
        let held = std::mem::take(&mut self.held);
        let mut split = Split::default();
        match self.state {
            State::Thinking => split.thinking = held,
            State::Gap => {}
            State::Start | State::Answer => split.answer = held,
        }
        self.state = State::Answer;
        self.counted(split)
    }

    /// Tells a whole text apart.
    pub fn split(text: &str) -> Split {
        let mut splitter = Self::default();
        let mut split = splitter.push(text);
        let rest = splitter.finish();
        split.thinking.push_str(&rest.thinking);
        split.answer.push_str(&rest.answer);
        split
    }

    /// Whether a `<think>` was there.
    pub fn has_thinking(&self) -> bool {
        self.has_thinking
    }

    /// Unicode scalar values taken so far, tags included.
    pub fn raw_chars(&self) -> usize {
        self.raw_chars
    }

    /// Unicode scalar values of thinking returned so far.
    pub fn thinking_chars(&self) -> usize {
        self.thinking_chars
    }

    /// Unicode scalar values of the answer returned so far.
    pub fn final_chars(&self) -> usize {
        self.final_chars
    }

    /// Moves what is certain out of `held`; returns whether there may be more.
    fn step(&mut self, split: &mut Split) -> bool {
        match self.state {
            State::Start => {
                let visible = self.held.trim_start();
                if let Some(rest) = visible.strip_prefix(OPEN) {
                    self.held = rest.to_owned();
                    self.has_thinking = true;
                    self.state = State::Thinking;
                    return true;
                }
                if OPEN.starts_with(visible) {
                    return false;
                }
                self.state = State::Answer;
                true
            }
            State::Thinking => {
                if let Some(end) = self.held.find(CLOSE) {
                    split.thinking.push_str(&self.held[..end]);
                    self.held.drain(..end + CLOSE.len());
                    self.state = State::Gap;
                    return true;
                }
                let certain = self.held.len() - tag_begun(&self.held);
                split.thinking.extend(self.held.drain(..certain));
                false
            }
            State::Gap => {
                let visible = self.held.trim_start();
                if visible.is_empty() {
                    self.held.clear();
                    return false;
                }
                self.held = visible.to_owned();
                self.state = State::Answer;
                true
            }
            State::Answer => {
                split.answer.push_str(&self.held);
                self.held.clear();
                false
            }
        }
    }

    fn counted(&mut self, split: Split) -> Split {
        self.thinking_chars += split.thinking.chars().count();
        self.final_chars += split.answer.chars().count();
        split
    }
}

/// How many bytes at the end may be the beginning of the end tag.
fn tag_begun(text: &str) -> usize {
    (1..CLOSE.len())
        .rev()
        .find(|&length| text.ends_with(&CLOSE[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (String, String) {
        let Split { thinking, answer } = ThinkSplitter::split(text);
        (thinking, answer)
    }

    #[test]
    fn thinking_and_answer_are_told_apart() {
        for (text, thinking, answer) in [
            ("<think>a < b</think>\n\nyes ", "a < b", "yes "),
            ("\n<think></think>x", "", "x"),
            ("no thinking </think> here", "", "no thinking </think> here"),
            ("the tag <think> opens", "", "the tag <think> opens"),
            ("<think>never closed </thin", "never closed </thin", ""),
            ("<thin", "", "<thin"),
            ("  spaces stay", "", "  spaces stay"),
            (
                "<think>a</think> b <think>c</think>",
                "a",
                "b <think>c</think>",
            ),
            ("", "", ""),
        ] {
            assert_eq!(
                split(text),
                (thinking.to_owned(), answer.to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn text_is_given_as_soon_as_it_is_certain() {
        let mut splitter = ThinkSplitter::default();
        assert_eq!(splitter.push("<thi"), Split::default());
        assert_eq!(splitter.push("nk>one").thinking, "one");
        assert_eq!(splitter.push(" two <").thinking, " two ");
        assert_eq!(splitter.push("b").thinking, "<b");
        assert_eq!(splitter.push("</think> ").answer, "");
        assert_eq!(splitter.push("é").answer, "é");
        assert!(splitter.has_thinking());
        assert_eq!(
            (
                splitter.raw_chars(),
                splitter.thinking_chars(),
                splitter.final_chars()
            ),
            (27, 10, 1)
        );
    }
}
