//! Documents to chunks.
//!
//! A chunk never crosses a section. Within one, whole blocks are packed until the next would not fit;
//! a block too long for one chunk is cut at the best place its kind allows. Each chunk but a
//! section's first begins with the end of the one before it, so that a sentence on the border is
//! found from either side. The section's headings stand above the text, because that is often where
//! the subject is named.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::ChunkError;
use super::document::{Block, BlockKind, Document, Section};
use super::measure::{TokenCount, Unit};

/// How large chunks are.
#[derive(Clone, Debug)]
pub struct ChunkOptions {
    /// The most a chunk's text has, headings and overlap included.
    pub max: usize,
    /// The most a chunk repeats of the one before it.
    pub overlap: usize,
    /// What both are given in.
    pub unit: Unit,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self::chars(800, 100)
    }
}

impl ChunkOptions {
    /// Lengths in Unicode scalar values.
    pub fn chars(max: usize, overlap: usize) -> Self {
        let unit = Unit::Chars;
        Self { max, overlap, unit }
    }

    /// Lengths in tokens, which for an embedding model are what limits a text.
    pub fn tokens(max: usize, overlap: usize, counter: Arc<dyn TokenCount>) -> Self {
        let unit = Unit::Tokens(counter);
        Self { max, overlap, unit }
    }
}

/// A piece of a document, ready to be embedded and stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Made of source, headings and position, so that reading a file again replaces its chunks.
    pub id: String,
    /// What is embedded and shown to the LLM.
    pub text: String,
    /// `source`, `title`, `chunk` (its number in the document, from 0), and where known `heading`
    /// and `page`.
    pub metadata: Map<String, Value>,
}

/// Splits a document.
///
/// # Errors
///
/// [`ChunkError::Options`] for sizes that leave no room.
pub fn split(document: &Document, options: &ChunkOptions) -> Result<Vec<Chunk>, ChunkError> {
    let ChunkOptions { max, overlap, unit } = options;
    if *max == 0 || overlap >= max {
        return Err(ChunkError::Options {
            max: *max,
            overlap: *overlap,
            unit: unit.name(),
        });
    }
    let mut chunks = Vec::new();
    let mut slugs = HashMap::new();
    for section in &document.sections {
        let slug = section_slug(section, &mut slugs);
        for (position, text) in section_texts(section, options).into_iter().enumerate() {
            let mut metadata = Map::new();
            metadata.insert("source".to_owned(), document.source.as_str().into());
            metadata.insert("title".to_owned(), document.title.as_str().into());
            if !section.headings.is_empty() {
                metadata.insert("heading".to_owned(), section.headings.join(" > ").into());
            }
            if let Some(page) = section.page {
                metadata.insert("page".to_owned(), page.into());
            }
            metadata.insert("chunk".to_owned(), chunks.len().into());
            let id = format!("{}#{slug}:{position}", document.source);
            chunks.push(Chunk { id, text, metadata });
        }
    }
    Ok(chunks)
}

/// The headings as one word per heading, with a number where the same headings came before.
fn section_slug(section: &Section, seen: &mut HashMap<String, usize>) -> String {
    let slugs: Vec<_> = section
        .headings
        .iter()
        .map(|heading| slug(heading))
        .collect();
    let slug = match section.page {
        Some(page) if slugs.is_empty() => format!("page-{page}"),
        _ => slugs.join("/"),
    };
    let count = seen.entry(slug.clone()).or_insert(0);
    *count += 1;
    if *count == 1 {
        slug
    } else {
        format!("{slug}~{count}")
    }
}

/// Lower case, with a hyphen for every run of characters that are neither letters nor digits.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

fn section_texts(section: &Section, options: &ChunkOptions) -> Vec<String> {
    let unit = &options.unit;
    let mut head = section.headings.join(" > ");
    let mut head_length = unit.length(&head);
    if !head.is_empty() {
        head.push_str("\n\n");
        head_length += unit.gap("\n\n");
    }
    // Headings that would fill the chunk are left to the metadata.
    let most = unit.limit(options.max);
    if head_length > most / 3 {
        head.clear();
        head_length = 0;
    }
    let room = most - head_length;
    let mut packer = Packer {
        unit,
        room,
        overlap_room: unit.limit(options.overlap).min(room / 2),
        gap: unit.gap("\n\n"),
        bodies: Vec::new(),
        body: String::new(),
        body_length: 0,
        has_own_text: false,
    };
    for block in &section.blocks {
        packer.add(block);
    }
    packer
        .finish()
        .into_iter()
        .map(|body| format!("{head}{body}"))
        .collect()
}

/// Packs the blocks of one section into bodies at most `room` long.
struct Packer<'a> {
    unit: &'a Unit,
    room: usize,
    overlap_room: usize,
    /// What stands between two blocks.
    gap: usize,
    bodies: Vec<String>,
    body: String,
    body_length: usize,
    /// Whether the body holds anything but the overlap.
    has_own_text: bool,
}

impl Packer<'_> {
    fn add(&mut self, block: &Block) {
        let length = self.unit.length(&block.text);
        if self.fits(length) {
            return self.append(&block.text, length);
        }
        self.next_body();
        // The overlap yields to a block that fits only without it.
        if length <= self.room {
            if !self.fits(length) {
                self.clear_body();
            }
            return self.append(&block.text, length);
        }
        for part in self.cut(block) {
            let length = self.unit.length(&part);
            if !self.fits(length) {
                self.next_body();
            }
            if !self.fits(length) {
                self.clear_body();
            }
            self.append(&part, length);
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.has_own_text {
            self.bodies.push(self.body);
        }
        self.bodies
    }

    fn fits(&self, length: usize) -> bool {
        self.body_length + self.gap_before() + length <= self.room
    }

    fn gap_before(&self) -> usize {
        if self.body.is_empty() { 0 } else { self.gap }
    }

    fn append(&mut self, text: &str, length: usize) {
        self.body_length += self.gap_before() + length;
        if !self.body.is_empty() {
            self.body.push_str("\n\n");
        }
        self.body.push_str(text);
        self.has_own_text = true;
    }

    fn clear_body(&mut self) {
        self.body.clear();
        self.body_length = 0;
    }

    /// Closes the body and begins the next one with the end of it.
    fn next_body(&mut self) {
        if !self.has_own_text {
            return;
        }
        let overlap = self.unit.ending(&self.body, self.overlap_room).to_owned();
        self.bodies.push(std::mem::replace(&mut self.body, overlap));
        self.body_length = self.unit.length(&self.body);
        self.has_own_text = false;
    }

    /// Cuts a block into parts that leave room for the overlap, none of them blank.
    fn cut(&self, block: &Block) -> Vec<String> {
        let limit = self.room - self.overlap_room.min(self.room - 1);
        match block.kind {
            BlockKind::Paragraph => self.join_up_to(sentences(&block.text), " ", limit, ""),
            BlockKind::Lines => self.join_up_to(block.text.lines(), "\n", limit, ""),
            BlockKind::Table => {
                let (first, rest) = block.text.split_once('\n').unwrap_or(("", &block.text));
                if first.is_empty() || self.unit.length(first) >= limit / 2 {
                    return self.join_up_to(block.text.lines(), "\n", limit, "");
                }
                self.join_up_to(rest.lines(), "\n", limit, &format!("{first}\n"))
            }
        }
    }

    /// Joins pieces into parts at most `limit` long, each beginning with `head`. A piece that is too
    /// long by itself is cut between words, and a word between characters.
    fn join_up_to<'a>(
        &self,
        pieces: impl Iterator<Item = &'a str>,
        separator: &str,
        limit: usize,
        head: &str,
    ) -> Vec<String> {
        let limit = limit - self.unit.length(head).min(limit);
        let gap = self.unit.gap(separator);
        let mut parts: Vec<String> = Vec::new();
        let mut part_length = 0;
        for piece in pieces {
            for piece in self.unit.cut(piece, limit) {
                let length = self.unit.length(piece);
                match parts.last_mut() {
                    Some(part) if part_length + gap + length <= limit => {
                        part.push_str(separator);
                        part.push_str(piece);
                        part_length += gap + length;
                    }
                    _ => {
                        parts.push(piece.to_owned());
                        part_length = length;
                    }
                }
            }
        }
        parts.retain(|part| !part.trim().is_empty());
        parts
            .into_iter()
            .map(|part| format!("{head}{part}"))
            .collect()
    }
}

/// The sentences of a text: cut behind `.`, `!`, `?` or their East Asian forms, and a space.
pub(crate) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = sentence_end(rest);
        let (sentence, after) = rest.split_at(end);
        rest = after;
        (end > 0).then_some(sentence)
    })
    .map(str::trim)
    .filter(|sentence| !sentence.is_empty())
}

fn sentence_end(text: &str) -> usize {
    let mut previous = ' ';
    for (position, character) in text.char_indices() {
        if matches!(previous, '。' | '！' | '？')
            || (matches!(previous, '.' | '!' | '?') && character.is_whitespace())
        {
            return position;
        }
        previous = character;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::super::{Format, parse};
    use super::*;

    fn chunks(markdown: &str, max_chars: usize, overlap_chars: usize) -> Vec<Chunk> {
        let document = parse("a.md", Format::Markdown, markdown);
        split(&document, &ChunkOptions::chars(max_chars, overlap_chars)).unwrap()
    }

    fn texts(markdown: &str, max_chars: usize, overlap_chars: usize) -> Vec<String> {
        chunks(markdown, max_chars, overlap_chars)
            .into_iter()
            .map(|chunk| chunk.text)
            .collect()
    }

    #[test]
    fn a_chunk_says_where_it_comes_from() {
        let chunk = &chunks("# The Title\n\n## A `b` c\n\nText.", 800, 100)[0];
        assert_eq!(chunk.id, "a.md#the-title/a-b-c:0");
        assert_eq!(chunk.text, "The Title > A `b` c\n\nText.");
        assert_eq!(
            Value::Object(chunk.metadata.clone()),
            serde_json::json!({
                "source": "a.md", "title": "The Title", "heading": "The Title > A `b` c", "chunk": 0
            })
        );
    }

    #[test]
    fn ids_do_not_depend_on_what_follows_and_the_same_headings_are_told_apart() {
        let ids = |text: &str| {
            chunks(text, 40, 0)
                .into_iter()
                .map(|c| c.id)
                .collect::<Vec<_>>()
        };
        let before = ids("# A\n\none\n\n# A\n\ntwo");
        assert_eq!(before, ["a.md#a:0", "a.md#a~2:0"]);
        assert_eq!(ids("# A\n\none\n\n# A\n\ntwo\n\n# B\n\nthree")[..2], before);
    }

    #[test]
    fn paragraphs_are_packed_whole_and_the_next_chunk_repeats_the_end() {
        assert_eq!(
            texts("one two three.\n\nfour five six.\n\nseven eight.", 30, 6),
            ["one two three.\n\nfour five six.", "six.\n\nseven eight."]
        );
    }

    #[test]
    fn a_long_paragraph_is_cut_between_sentences() {
        assert_eq!(
            texts("First one. Second one! Third one? Fourth.", 24, 0),
            ["First one. Second one!", "Third one? Fourth."]
        );
    }

    #[test]
    fn code_that_fits_is_never_cut_and_longer_code_is_cut_between_lines() {
        let code = "```\nlet a = 1;\nlet b = 2;\n```";
        assert_eq!(
            texts(&format!("Some words before.\n\n{code}"), 32, 8)[1],
            code
        );
        assert_eq!(texts(code, 20, 0), ["```\nlet a = 1;", "let b = 2;\n```"]);
    }

    #[test]
    fn each_part_of_a_long_table_has_its_header() {
        let table = "| key | value |\n|--|--|\n| a | 1 |\n| b | 2 |\n| c | 3 |";
        let parts = texts(table, 40, 0);
        assert_eq!(parts.len(), 2, "{parts:?}");
        assert!(
            parts
                .iter()
                .all(|part| part.starts_with("| key | value |\n| ")),
            "{parts:?}"
        );
    }

    #[test]
    fn cuts_fall_between_scalars_and_count_them() {
        let parts = texts(&"é漢🦀".repeat(10), 7, 0);
        assert_eq!(parts.concat(), "é漢🦀".repeat(10));
        assert!(parts.iter().all(|part| part.chars().count() <= 7));
    }

    #[test]
    fn chunks_are_as_long_as_the_model_counts() {
        let document = parse(
            "a.md",
            Format::Markdown,
            "# One two\n\nthree four five. six seven eight.\n\nnine ten",
        );
        let words = Arc::new(|text: &str| text.split_whitespace().count());
        let chunks = split(&document, &ChunkOptions::tokens(7, 1, words)).unwrap();
        let texts: Vec<_> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "One two\n\nthree four five.",
                "One two\n\nfive.\n\nsix seven eight.",
                "One two\n\neight.\n\nnine ten"
            ]
        );
    }

    #[test]
    fn a_page_without_headings_names_its_chunks() {
        let mut document = parse("a.pdf", Format::Text, "one");
        document.sections[0].page = Some(7);
        let chunk = &split(&document, &ChunkOptions::default()).unwrap()[0];
        assert_eq!(
            (chunk.id.as_str(), &chunk.metadata["page"]),
            ("a.pdf#page-7:0", &Value::from(7))
        );
    }

    #[test]
    fn headings_that_would_fill_the_chunk_are_left_to_the_metadata() {
        let chunk = &chunks("# A heading of many words\n\ntext", 24, 0)[0];
        assert_eq!(chunk.text, "text");
        assert_eq!(chunk.metadata["heading"], "A heading of many words");
    }

    #[test]
    fn sizes_without_room_are_refused() {
        let document = parse("a.txt", Format::Text, "text");
        for (max, overlap) in [(0, 0), (10, 10)] {
            let options = ChunkOptions::chars(max, overlap);
            assert!(matches!(
                split(&document, &options),
                Err(ChunkError::Options { .. })
            ));
        }
    }
}
