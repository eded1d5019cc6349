//! HTML: sections by heading; what is no content is dropped.

use scraper::{Html, Node, Selector};

use super::document::{BlockKind, Outline, Section};

/// Elements whose content is not part of the text.
const DROPPED: [&str; 10] = [
    "head", "script", "style", "nav", "noscript", "template", "svg", "iframe", "button", "select",
];

/// Elements that begin and end a paragraph.
const BLOCKS: [&str; 27] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "ol",
    "p",
    "section",
    "summary",
    "ul",
    "hgroup",
];

/// The page's title, if it has one, and its sections.
pub(super) fn parse(text: &str) -> (Option<String>, Vec<Section>) {
    let page = Html::parse_document(text);
    let title = Selector::parse("head > title")
        .ok()
        .and_then(|selector| page.select(&selector).next())
        .map(|title| super::collapse(&title.text().collect::<String>()))
        .filter(|title| !title.is_empty());

    // The walk goes along the tree's links rather than down the stack: a page may be nested deeper
    // than a stack is.
    let mut reader = Reader::default();
    let root = page.tree.root();
    let mut node = root;
    loop {
        let entered = reader.open(node.value());
        if let Some(child) = node.first_child().filter(|_| entered) {
            node = child;
            continue;
        }
        loop {
            reader.close(node.value());
            if node == root {
                reader.paragraph();
                return (title, reader.outline.finish());
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => return (title, reader.outline.finish()),
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    outline: Outline,
    text: String,
    /// How many `pre` and `table` elements one is in.
    verbatim: usize,
    tables: usize,
}

impl Reader {
    /// Returns whether to go inside.
    fn open(&mut self, node: &Node) -> bool {
        match node {
            Node::Text(text) => self.append(text),
            Node::Element(element) => {
                let hidden =
                    element.attr("hidden").is_some() || element.attr("aria-hidden") == Some("true");
                match element.name() {
                    name if hidden || DROPPED.contains(&name) => return false,
                    "br" if self.tables == 0 => self.text.push('\n'),
                    "pre" if self.tables == 0 => {
                        self.paragraph();
                        self.verbatim += 1;
                    }
                    "table" => {
                        if self.tables == 0 {
                            self.paragraph();
                        }
                        self.tables += 1;
                    }
                    "td" | "th" => {
                        self.text
                            .push_str(if self.text.ends_with('|') { " " } else { "| " });
                    }
                    _ if self.tables > 0 || self.verbatim > 0 => {}
                    "li" => {
                        self.paragraph();
                        self.text.push_str("- ");
                    }
                    name if BLOCKS.contains(&name) || heading_level(name).is_some() => self.flow(),
                    _ => {}
                }
            }
            _ => {}
        }
        true
    }

    fn close(&mut self, node: &Node) {
        let Node::Element(element) = node else { return };
        match element.name() {
            "pre" if self.tables == 0 && self.verbatim > 0 => {
                self.verbatim -= 1;
                if self.verbatim == 0 {
                    let text = std::mem::take(&mut self.text);
                    self.outline.block(BlockKind::Lines, &text);
                }
            }
            "table" if self.tables > 0 => {
                self.tables -= 1;
                if self.tables == 0 {
                    let text = std::mem::take(&mut self.text);
                    let rows: Vec<_> = text.lines().map(super::collapse).collect();
                    let rows: Vec<_> = rows.into_iter().filter(|row| !row.is_empty()).collect();
                    self.outline.block(BlockKind::Table, &rows.join("\n"));
                }
            }
            "td" | "th" => self.text.push_str(" |"),
            "tr" | "caption" if self.tables > 0 => self.text.push('\n'),
            _ if self.tables > 0 || self.verbatim > 0 => {}
            name => {
                if let Some(level) = heading_level(name) {
                    let text = std::mem::take(&mut self.text);
                    self.outline.heading(level, &text);
                } else if BLOCKS.contains(&name) {
                    self.paragraph();
                }
            }
        }
    }

    fn append(&mut self, text: &str) {
        if self.tables > 0 {
            // The source's own line breaks inside a table are white space; rows are set by `tr`.
            self.text.extend(
                text.chars()
                    .map(|c| if c.is_whitespace() { ' ' } else { c }),
            );
        } else {
            self.text.push_str(text);
        }
    }

    /// A block element begins: what came before is a paragraph, unless it is only a list's bullet.
    fn flow(&mut self) {
        if self.text.trim() != "-" {
            self.paragraph();
        }
    }

    fn paragraph(&mut self) {
        let text = super::collapse(&self.text);
        self.text.clear();
        if text != "-" {
            self.outline.block(BlockKind::Paragraph, &text);
        }
    }
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(html: &str) -> Vec<String> {
        let (_, sections) = parse(html);
        sections
            .into_iter()
            .flat_map(|section| section.blocks)
            .map(|block| block.text)
            .collect()
    }

    #[test]
    fn headings_make_sections_and_the_title_is_read() {
        let (title, sections) = parse(
            "<html><head><title> A\n page </title></head><body><p>zero</p><h1>One</h1><p>1</p>\
             <div><h2>Two <em>b</em></h2>text</div><h1>Three</h1><p>3",
        );
        assert_eq!(title.as_deref(), Some("A page"));
        let headings: Vec<_> = sections
            .iter()
            .map(|section| section.headings.join(" > "))
            .collect();
        assert_eq!(headings, ["", "One", "One > Two b", "Three"]);
    }

    #[test]
    fn scripts_styles_and_navigation_are_dropped() {
        assert_eq!(
            texts(
                "<nav>menu</nav><script>var x</script><style>p{}</style><p>kept</p>\
                 <div hidden>no</div><noscript>no</noscript>"
            ),
            ["kept"]
        );
    }

    #[test]
    fn lists_code_and_tables_are_kept_in_form() {
        assert_eq!(
            texts(
                "<ul><li>a</li><li><p>b</p></li></ul><pre>x = 1\n\n  y</pre>\
                 <table>\n<tr><th>k</th><th>v</th></tr>\n<tr><td>a\nb</td><td>2</td></tr></table>end"
            ),
            [
                "- a",
                "- b",
                "x = 1\n\n  y",
                "| k | v |\n| a b | 2 |",
                "end"
            ]
        );
    }

    #[test]
    fn a_page_nested_deeper_than_the_stack_is_read() {
        let deep = "<div>".repeat(10_000) + "bottom";
        assert_eq!(texts(&deep), ["bottom"]);
    }
}
