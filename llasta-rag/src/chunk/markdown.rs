//! Markdown: sections by heading; code blocks and tables kept as they are.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::document::{BlockKind, Outline, Section};

/// The title from the metadata block, if there is one, and the sections.
pub(super) fn parse(text: &str) -> (Option<String>, Vec<Section>) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::default();
    for event in Parser::new_ext(text, options) {
        reader.event(event);
    }
    (reader.title, reader.outline.finish())
}

#[derive(Default)]
struct Reader {
    outline: Outline,
    title: Option<String>,
    /// The text of the block being read.
    text: String,
    /// The numbers of the lists one is in; `None` for a bullet list.
    lists: Vec<Option<u64>>,
    in_metadata: bool,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.in_metadata => self.metadata(&text),
            Event::Text(text) => self.text.push_str(&text),
            Event::Code(code) => {
                self.text.push('`');
                self.text.push_str(&code);
                self.text.push('`');
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self
                .text
                .push(if self.lists.is_empty() { '\n' } else { ' ' }),
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            // Markup inside Markdown is layout, not text; rules and footnotes likewise.
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } | Tag::Table(_) => self.flush(),
            Tag::Paragraph if self.lists.is_empty() => self.flush(),
            Tag::Paragraph if !self.text.ends_with("- ") && !self.text.ends_with(". ") => {
                self.line();
            }
            Tag::CodeBlock(kind) => {
                if self.lists.is_empty() {
                    self.flush();
                } else {
                    self.line();
                }
                let language = match kind {
                    pulldown_cmark::CodeBlockKind::Fenced(language) => language.into_string(),
                    pulldown_cmark::CodeBlockKind::Indented => String::new(),
                };
                self.text.push_str("```");
                self.text.push_str(&language);
                self.text.push('\n');
            }
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.flush();
                }
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::TableHead | Tag::TableRow => self.text.push('|'),
            Tag::TableCell => self.text.push(' '),
            Tag::MetadataBlock(_) => self.in_metadata = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                self.outline.heading(number(level), &text);
            }
            TagEnd::Paragraph if self.lists.is_empty() => self.flush(),
            TagEnd::CodeBlock => {
                self.line();
                self.text.push_str("```");
                if self.lists.is_empty() {
                    self.block(BlockKind::Lines);
                }
            }
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.block(BlockKind::Lines);
                }
            }
            TagEnd::Table => self.block(BlockKind::Table),
            TagEnd::TableHead | TagEnd::TableRow => self.text.push('\n'),
            TagEnd::TableCell => self.text.push_str(" |"),
            TagEnd::MetadataBlock(_) => self.in_metadata = false,
            _ => {}
        }
    }

    /// Begins a list item on a line of its own, indented by its depth.
    fn item(&mut self) {
        self.line();
        for _ in 1..self.lists.len() {
            self.text.push_str("  ");
        }
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.text.push_str("- "),
        }
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// The title is all that is taken from a metadata block.
    fn metadata(&mut self, text: &str) {
        let title = text.lines().find_map(|line| line.strip_prefix("title:"));
        let title = title.map(|title| title.trim().trim_matches(['"', '\'']).to_owned());
        self.title = title.filter(|title| !title.is_empty());
    }

    fn flush(&mut self) {
        self.block(BlockKind::Paragraph);
    }

    fn block(&mut self, kind: BlockKind) {
        self.outline.block(kind, &self.text);
        self.text.clear();
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(markdown: &str) -> Vec<String> {
        let (_, sections) = parse(markdown);
        sections
            .into_iter()
            .flat_map(|section| section.blocks)
            .map(|block| block.text)
            .collect()
    }

    #[test]
    fn sections_carry_the_headings_they_stand_under() {
        let (title, sections) =
            parse("before\n\n# A\n\na\n\n## B\n\nb\n\n### C\n\n## D `d`\n\nd\n\n# E\n\ne");
        let headings: Vec<_> = sections
            .iter()
            .map(|section| section.headings.join(" > "))
            .collect();
        assert_eq!(headings, ["", "A", "A > B", "A > D `d`", "E"]);
        assert_eq!(title, None);
    }

    #[test]
    fn code_and_tables_stay_whole() {
        let code = "```rust\nfn main() {\n\n    run();\n}\n```";
        assert_eq!(texts(code), [code]);
        let table = "| a | b |\n|---|---|\n| 1 | `x` |\n";
        assert_eq!(texts(table), ["| a | b |\n| 1 | `x` |"]);
    }

    #[test]
    fn lists_keep_their_items_on_lines() {
        assert_eq!(
            texts("- one\n  more\n- two\n  1. in\n  2. out\n\nafter"),
            ["- one more\n- two\n  1. in\n  2. out", "after"]
        );
        assert_eq!(texts("- loose\n\n- list"), ["- loose\n- list"]);
    }

    #[test]
    fn markup_is_dropped_and_text_is_kept() {
        assert_eq!(
            texts("A *bold* [link](http://x) ![alt](y.png)<br>\nnext <!-- no -->\n\n> quoted"),
            ["A bold link alt next ", "quoted"].map(str::trim_end)
        );
    }

    #[test]
    fn the_metadata_block_gives_the_title_and_no_text() {
        let (title, sections) = parse("---\ntitle: \"The title\"\nauthor: x\n---\n\nText");
        assert_eq!(title.as_deref(), Some("The title"));
        assert_eq!(sections.len(), 1);
        assert_eq!(sections[0].blocks[0].text, "Text");
    }
}
