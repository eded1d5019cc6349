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
        let Survey { chars, angle } = survey(text);
        self.raw += chars;
        if angle || self.matched > 0 {
            self.look(text, &mut take);
        } else if chars > 0 {
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

struct Survey {
    /// Unicode scalar values.
    chars: u64,
    /// Whether there is a `<`.
    angle: bool,
}

/// Looks at eight bytes at once.
#[inline]
fn survey(text: &str) -> Survey {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let bytes = text.as_bytes();
    let (mut continued, mut angle) = (0, 0);
    let mut look = |word: u64| {
        // A byte that goes on with a character begins with the bits 10.
        let each = (word >> 7) & !(word >> 6) & EACH;
        // Adds the eight up in the highest byte.
        continued += each.wrapping_mul(EACH) >> 56;
        // A byte that is zero borrows from its highest bit.
        let other = word ^ (EACH * b'<' as u64);
        angle |= other.wrapping_sub(EACH) & !other & (EACH << 7);
    };
    let mut rest = bytes;
    while let Some((word, more)) = rest.split_first_chunk() {
        look(u64::from_le_bytes(*word));
        rest = more;
    }
    look(match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        // Two halves that overlap: what the first has of the second is shifted out.
        (Some(first), Some(last)) => {
            let last = u64::from(u32::from_le_bytes(*last)) >> (8 * (8 - rest.len()));
            u64::from(u32::from_le_bytes(*first)) | last << 32
        }
        _ => rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    });
    Survey {
        chars: bytes.len() as u64 - continued,
        angle: angle != 0,
    }
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
    fn a_survey_counts_and_finds_whatever_the_length() {
        let text = "aü≥🦀<b>ÿ€\u{7f}\u{3b}=\u{bc}\u{fc}<";
        let text = text.repeat(3);
        for start in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            for end in (start..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let part = &text[start..end];
                let Survey { chars, angle } = survey(part);
                assert_eq!(chars, part.chars().count() as u64, "{part:?}");
                assert_eq!(angle, part.contains('<'), "{part:?}");
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
