//! What a parser makes of a file.

/// A file's content in reading order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file's name, as it was given.
    pub source: String,
    /// The title it gives itself, else its first heading, else its file name.
    pub title: String,
    /// Its parts. A section without blocks is left out.
    pub sections: Vec<Section>,
    /// Pages, from 1, that are damaged and therefore missing.
    pub unread_pages: Vec<u32>,
}

/// What stands under one heading, up to the next one of any level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The headings it stands under, outermost first; empty before the first one.
    pub headings: Vec<String>,
    /// The page it begins on, where the format has pages.
    pub page: Option<u32>,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// A piece of text that belongs together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// How it may be cut when it is too long.
    pub kind: BlockKind,
    /// Its text, with neither blank lines nor white space around it.
    pub text: String,
}

/// How a block may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Between sentences, else between words.
    Paragraph,
    /// Between lines: lists and code.
    Lines,
    /// Between lines, with the first line repeated in each part: tables.
    Table,
}

/// Collects sections while a parser walks through a file.
#[derive(Debug, Default)]
pub(super) struct Outline {
    sections: Vec<Section>,
    current: Section,
    /// The levels of the current headings, 1 to 6.
    levels: Vec<u8>,
}

impl Outline {
    /// Begins a section under a heading of `level`. A blank heading begins none.
    pub(super) fn heading(&mut self, level: u8, text: &str) {
        let text = super::collapse(text);
        if text.is_empty() {
            return;
        }
        let mut headings = self.current.headings.clone();
        while self.levels.last().is_some_and(|&last| last >= level) {
            self.levels.pop();
            headings.pop();
        }
        self.levels.push(level);
        headings.push(text);
        let next = Section {
            headings,
            ..Section::default()
        };
        let finished = std::mem::replace(&mut self.current, next);
        self.keep(finished);
    }

    /// Adds a block to the current section, unless it is blank.
    pub(super) fn block(&mut self, kind: BlockKind, text: &str) {
        let text = text.trim_end().trim_start_matches(['\n', '\r']);
        if !text.trim().is_empty() {
            self.current.blocks.push(Block {
                kind,
                text: text.to_owned(),
            });
        }
    }

    pub(super) fn finish(mut self) -> Vec<Section> {
        let last = std::mem::take(&mut self.current);
        self.keep(last);
        self.sections
    }

    fn keep(&mut self, section: Section) {
        if !section.blocks.is_empty() {
            self.sections.push(section);
        }
    }
}
