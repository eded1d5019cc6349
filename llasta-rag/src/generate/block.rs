//! The form in which passages are handed to a model.
//!
//! ```text
//! Answer from the context below. …
//!
//! [1] Source: docs/observability.md, page 3
//! The passage.
//!
//! [2] Source: …
//! ```
//!
//! It is written here for any LLM and read here by the extractive stand-in, so the two cannot differ.

/// What stands above the passages. It is also how the block is found again.
const INTRODUCTION: &str = "Answer from the context below. Each passage stands under a header with \
    its number and source. Behind each statement, cite the passages it is from by their numbers in \
    brackets, like this: [1] or [2][3]. If the passages do not answer the question, say so.";

/// What stands above the passages of a block.
pub fn introduction() -> &'static str {
    INTRODUCTION
}

/// A passage with where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its source and, where known, its page.
    pub header: String,
    /// Its text.
    pub text: String,
}

impl Passage {
    /// A passage from a source, on a page where the source has pages.
    pub fn new(source: &str, page: Option<u64>, text: &str) -> Self {
        // A header is one line, whatever a source is called.
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        let header = match page {
            Some(page) => format!("{source}, page {page}"),
            None => source,
        };
        Self {
            header,
            text: text.trim().to_owned(),
        }
    }

    /// The passage under its header, as it stands in a block.
    pub fn under(&self, number: usize) -> String {
        format!("\n\n{}{}\n{}", mark(number), self.header, self.text)
    }
}

/// A context block, grown passage by passage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextBlock {
    text: String,
    chars: usize,
    passages: usize,
}

impl ContextBlock {
    /// Adds a passage if the block then has at most `max_chars` Unicode scalar values; returns whether
    /// it did.
    pub fn push(&mut self, passage: &Passage, max_chars: usize) -> bool {
        let number = self.passages + 1;
        let mut addition = String::new();
        if self.passages == 0 {
            addition.push_str(INTRODUCTION);
        }
        addition.push_str(&passage.under(number));
        let chars = addition.chars().count();
        if self.chars + chars > max_chars {
            return false;
        }
        self.text.push_str(&addition);
        self.chars += chars;
        self.passages = number;
        true
    }

    /// The block; empty without passages.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its length in Unicode scalar values.
    pub fn chars(&self) -> usize {
        self.chars
    }

    /// How many passages it has.
    pub fn passages(&self) -> usize {
        self.passages
    }

    /// The passages of the block that a text contains; none where there is no block.
    ///
    /// A passage that itself contains a line like the next header is read as two.
    pub fn read(text: &str) -> Vec<Passage> {
        let Some((_, mut rest)) = text.split_once(INTRODUCTION) else {
            return Vec::new();
        };
        let mut passages = Vec::new();
        loop {
            let begin = format!("\n\n{}", mark(passages.len() + 1));
            let Some((_, after)) = rest.split_once(&begin) else {
                return passages;
            };
            let end = after.find(&format!("\n\n{}", mark(passages.len() + 2)));
            let (passage, following) = after.split_at(end.unwrap_or(after.len()));
            let (header, text) = passage.split_once('\n').unwrap_or((passage, ""));
            passages.push(Passage {
                header: header.to_owned(),
                text: text.trim().to_owned(),
            });
            rest = following;
        }
    }
}

fn mark(number: usize) -> String {
    format!("[{number}] Source: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let passages = [
            Passage::new("a.md", None, "One.\n\nTwo."),
            Passage::new("b c.pdf", Some(3), "[1] Source: not a header"),
            Passage::new("c\nd.md", None, ""),
        ];
        let mut block = ContextBlock::default();
        for passage in &passages {
            assert!(block.push(passage, 10_000));
        }
        assert_eq!(
            ContextBlock::read(&format!("Be kind.\n{}", block.text())),
            passages
        );
        assert_eq!(passages[1].header, "b c.pdf, page 3");
        assert_eq!(passages[2].header, "c d.md");
        assert_eq!(block.chars(), block.text().chars().count());
    }

    #[test]
    fn a_passage_that_does_not_fit_leaves_the_block_as_it_was() {
        let mut block = ContextBlock::default();
        assert!(!block.push(&Passage::new("a", None, "text"), 20));
        assert_eq!((block.text(), block.chars(), block.passages()), ("", 0, 0));
    }

    #[test]
    fn a_text_without_a_block_has_no_passages() {
        assert!(ContextBlock::read("[1] Source: a\ntext").is_empty());
    }
}
