//! Plain text: paragraphs between blank lines.

use super::document::{BlockKind, Outline, Section};

pub(super) fn parse(text: &str) -> Vec<Section> {
    let mut outline = Outline::default();
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            outline.block(BlockKind::Paragraph, &super::collapse(&paragraph));
            paragraph.clear();
        } else {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    outline.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_part_paragraphs_and_line_ends_do_not() {
        let sections = parse("one\r\n two\n \t \n\nthree");
        assert_eq!(sections.len(), 1);
        let texts: Vec<_> = sections[0]
            .blocks
            .iter()
            .map(|block| block.text.as_str())
            .collect();
        assert_eq!(texts, ["one two", "three"]);
        assert!(parse(" \n\n").is_empty());
    }
}
