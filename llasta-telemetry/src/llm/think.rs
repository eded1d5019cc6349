//! Telling thinking from answer: `<think>…</think>`, wherever the chunks are cut.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Which part of the answer a piece of text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Inside `<think>`.
    Thinking,
    /// Outside.
    Final,
}

/// Splits a text that arrives in pieces. Holds back no more than what may be the beginning of a
/// tag, and allocates nothing.
///
/// ```
/// use llasta_telemetry::llm::{Part, ThinkSplitter};
///
/// let mut splitter = ThinkSplitter::default();
/// let mut answer = String::new();
/// for piece in ["<thi", "nk>hm</think", ">Yes", "."] {
///     splitter.feed(piece, |part, text| if part == Part::Final { answer.push_str(text) });
/// }
/// splitter.finish(|_, _| {});
/// assert_eq!(answer, "Yes.");
/// assert_eq!(splitter.thinking_chars(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ThinkSplitter {
    inside: bool,
    /// Bytes at the end of the text so far that are the beginning of the tag that comes next.
    matched: usize,
    raw: u64,
    thinking: u64,
    answer: u64,
    tags: bool,
}

impl ThinkSplitter {
    /// Takes the next piece; hands out what is certain.
    #[inline]
    pub fn feed(&mut self, text: &str, mut take: impl FnMut(Part, &str)) {
        // Most pieces are a word: counted and looked through at once.
        let (mut chars, mut tag) = (0, self.matched > 0);
        for byte in text.bytes() {
            chars += u64::from(starts_character(byte));
            tag |= byte == b'<';
        }
        self.raw += chars;
        if tag {
            self.look(text, &mut take);
        } else if !text.is_empty() {
            take(self.count(chars), text);
        }
    }

    /// Finds the tags in a piece that may hold some.
    #[inline(never)]
    fn look(&mut self, text: &str, take: &mut impl FnMut(Part, &str)) {
        // Bytes of a tag's beginning that came with earlier pieces.
        let mut carried = self.matched;
        let mut start = 0;
        for (at, byte) in text.bytes().enumerate() {
            let tag = self.tag();
            if byte != tag.as_bytes()[self.matched] {
                if carried > 0 {
                    self.give(&tag[..carried], take);
                    carried = 0;
                }
                // `<` stands only at the beginning of a tag, so a new match begins here or not.
                self.matched = usize::from(byte == b'<');
                continue;
            }
            self.matched += 1;
            if self.matched == tag.len() {
                let end = (at + 1).saturating_sub(tag.len() - carried);
                self.give(&text[start..end.max(start)], take);
                self.inside = !self.inside;
                self.tags = true;
                self.matched = 0;
                carried = 0;
                start = at + 1;
            }
        }
        let held = self.matched - carried.min(self.matched);
        self.give(&text[start..(text.len() - held).max(start)], take);
    }

    /// The text has ended: what was held back is text after all.
    pub fn finish(&mut self, mut take: impl FnMut(Part, &str)) {
        let held = std::mem::take(&mut self.matched);
        let tag = self.tag();
        self.give(&tag[..held], &mut take);
    }

    /// Takes a piece that the server has marked as thinking itself.
    pub fn feed_thinking(&mut self, text: &str, mut take: impl FnMut(Part, &str)) {
        let chars = text.chars().count() as u64;
        self.raw += chars;
        self.thinking += chars;
        self.tags = true;
        take(Part::Thinking, text);
    }

    /// Unicode scalar values of everything, tags included.
    pub fn raw_chars(&self) -> u64 {
        self.raw
    }

    /// Unicode scalar values inside the tags.
    pub fn thinking_chars(&self) -> u64 {
        self.thinking
    }

    /// Unicode scalar values outside the tags.
    pub fn final_chars(&self) -> u64 {
        self.answer
    }

    /// Whether there was any thinking, empty or not.
    pub fn has_thinking(&self) -> bool {
        self.tags
    }

    fn tag(&self) -> &'static str {
        if self.inside { CLOSE } else { OPEN }
    }

    fn give(&mut self, text: &str, take: &mut impl FnMut(Part, &str)) {
        if text.is_empty() {
            return;
        }
        take(self.count(text.chars().count() as u64), text);
    }

    #[inline]
    fn count(&mut self, chars: u64) -> Part {
        if self.inside {
            self.thinking += chars;
            Part::Thinking
        } else {
            self.answer += chars;
            Part::Final
        }
    }
}

/// Whether a byte of a text is the first of a character.
fn starts_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&str]) -> (String, String, ThinkSplitter) {
        let (mut thinking, mut answer) = (String::new(), String::new());
        let mut take = |part, text: &str| match part {
            Part::Thinking => thinking.push_str(text),
            Part::Final => answer.push_str(text),
        };
        let mut splitter = ThinkSplitter::default();
        for piece in pieces {
            splitter.feed(piece, &mut take);
        }
        splitter.finish(&mut take);
        (thinking, answer, splitter)
    }

    #[test]
    fn wherever_the_pieces_are_cut_the_parts_are_the_same() {
        let texts = [
            "<think>Überlegen…</think>Ja, ≥ 3.",
            "no tags at all, but 1 < 2 and <b>bold</b>",
            "<think></think>",
            "a<think>b</think>c<think>d</think>",
            "<<think>x<</think>y<",
            "<think>never closed </thin",
        ];
        for text in texts {
            let (thinking, answer, whole) = split(&[text]);
            for first in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                for second in (first..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                    let (cut_thinking, cut_answer, cut) =
                        split(&[&text[..first], &text[first..second], &text[second..]]);
                    assert_eq!(
                        (&cut_thinking, &cut_answer),
                        (&thinking, &answer),
                        "{text} cut at {first}, {second}"
                    );
                    assert_eq!(cut.raw_chars(), whole.raw_chars());
                    assert_eq!(cut.thinking_chars(), thinking.chars().count() as u64);
                    assert_eq!(cut.final_chars(), answer.chars().count() as u64);
                }
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_tag_is_text() {
        let (thinking, answer, splitter) = split(&["<thinker> is <th", "ink not"]);
        assert_eq!(answer, "<thinker> is <think not");
        assert_eq!(thinking, "");
        assert!(!splitter.has_thinking());
    }
}
