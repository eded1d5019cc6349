//! Chunks keep their promises for any document.

use std::collections::HashSet;
use std::sync::Arc;

use llasta_rag::chunk::{Chunk, ChunkOptions, Format, chunk_file, discover, parse, split};
use proptest::collection::vec;
use proptest::prelude::*;

fn markdown() -> impl Strategy<Value = String> {
    let word = "[a-zé漢🦀]{1,12}";
    let block = prop_oneof![
        (1..4_usize, word).prop_map(|(level, word)| format!("{} {word}", "#".repeat(level))),
        vec(word, 1..40).prop_map(|words| words.join(" ") + "."),
        vec(word, 1..12).prop_map(|lines| format!("```\n{}\n```", lines.join("\n"))),
        vec(word, 1..8).prop_map(|items| format!("- {}", items.join("\n- "))),
        vec((word, word), 1..9).prop_map(|rows| {
            let rows: Vec<_> = rows.iter().map(|(a, b)| format!("| {a} | {b} |")).collect();
            format!("| one | two |\n|---|---|\n{}", rows.join("\n"))
        }),
    ];
    vec(block, 0..14).prop_map(|blocks| blocks.join("\n\n"))
}

fn words_of(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '🦀')
        .map(str::to_owned)
        .collect()
}

fn chunks_of(text: &str, options: &ChunkOptions) -> Vec<Chunk> {
    split(&parse("a.md", Format::Markdown, text), options).unwrap()
}

proptest! {
    #[test]
    fn chunks_fit_lose_nothing_and_have_ids_of_their_own(
        text in markdown(), max_chars in 40..400_usize, overlap_chars in 0..39_usize,
    ) {
        let options = ChunkOptions::chars(max_chars, overlap_chars);
        let document = parse("a.md", Format::Markdown, &text);
        let chunks = split(&document, &options).unwrap();
        for chunk in &chunks {
            prop_assert!(chunk.text.chars().count() <= max_chars, "{:?}", chunk.text);
            prop_assert!(!chunk.text.trim().is_empty());
        }
        let ids: HashSet<_> = chunks.iter().map(|chunk| &chunk.id).collect();
        prop_assert_eq!(ids.len(), chunks.len());

        let kept: HashSet<_> = chunks.iter().flat_map(|chunk| words_of(&chunk.text)).collect();
        for block in document.sections.iter().flat_map(|section| &section.blocks) {
            for word in words_of(&block.text) {
                prop_assert!(kept.contains(&word), "{word:?} is lost");
            }
        }
        prop_assert_eq!(chunks_of(&text, &options), chunks);
    }

    #[test]
    fn no_chunk_has_more_tokens_than_allowed_and_no_word_is_lost(
        text in markdown(), max in 12..120_usize, overlap in 0..11_usize,
    ) {
        // A word is a token for each four letters that it begins.
        let count = |text: &str| -> usize {
            text.split_whitespace().map(|word| word.chars().count().div_ceil(4)).sum()
        };
        let options = ChunkOptions::tokens(max, overlap, Arc::new(count));
        let document = parse("a.md", Format::Markdown, &text);
        let chunks = split(&document, &options).unwrap();
        for chunk in &chunks {
            prop_assert!(count(&chunk.text) <= max, "{:?}", chunk.text);
        }
        let kept: HashSet<_> = chunks.iter().flat_map(|chunk| words_of(&chunk.text)).collect();
        for block in document.sections.iter().flat_map(|section| &section.blocks) {
            for word in words_of(&block.text) {
                prop_assert!(kept.contains(&word), "{word:?} is lost");
            }
        }
    }

    #[test]
    fn no_input_and_no_size_breaks_a_parser(
        text in "(\\PC|[#|`<>\\-\n\t*&;/]|<p>|<pre>|</pre>|<table>|<td>|</table>|<h1>|</h1>|<li>|\n\n){0,60}",
        max_chars in 1..30_usize,
    ) {
        let options = ChunkOptions::chars(max_chars, max_chars / 3);
        for format in [Format::Markdown, Format::Html, Format::Text] {
            for chunk in split(&parse("a", format, &text), &options).unwrap() {
                prop_assert!(chunk.text.chars().count() <= max_chars);
            }
        }
    }
}

#[test]
fn a_bad_file_is_an_error_of_its_own_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.md"), "# A\n\ntext").unwrap();
    std::fs::write(folder.path().join("b.md"), b"\xff").unwrap();
    std::fs::write(folder.path().join("c.html"), "<p>text").unwrap();
    let files = discover(&[folder.path()]).unwrap();
    let read: Vec<_> = files
        .iter()
        .map(|file| {
            chunk_file(file, &ChunkOptions::default())
                .map(|chunks| chunks.len())
                .ok()
        })
        .collect();
    assert_eq!(read, [Some(1), None, Some(1)]);
}
