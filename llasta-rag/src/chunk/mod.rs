//! Files to chunks: what is read, how it is cut, and under which ids it is stored.
//!
//! A file becomes a [`Document`] of sections, each with its headings and its blocks (paragraphs,
//! lists, code, tables); a document becomes [`Chunk`]s, each within one section and small enough to be
//! retrieved by itself. All lengths are in Unicode scalar values, and no cut falls inside one.
//!
//! A bad file is an error of its own: [`discover`] says which files there are, and [`chunk_file`]
//! answers for each of them, so that the caller can go on with the rest.
//!
//! In reading order:
//! - `document.rs`: [`Document`], [`Section`], [`Block`];
//! - `discover.rs`: [`discover`], the files below some paths, and [`Format`], what can be read;
//! - `markdown.rs`, `html.rs`, `text.rs`: one parser per format;
//! - `split.rs`: [`split`], documents to chunks.

mod discover;
mod document;
mod html;
mod markdown;
mod split;
mod text;

pub use self::discover::{Format, discover};
pub use self::document::{Block, BlockKind, Document, Section};
pub(crate) use self::split::sentences;
pub use self::split::{Chunk, ChunkOptions, split};

use std::io;
use std::path::{Path, PathBuf};

/// Why a path gives no chunks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A path that does not exist or cannot be opened.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file whose extension is not known.
    #[error(
        "cannot read {}: only files ending in {} can be; convert it first",
        path.display(), Format::EXTENSIONS.join(", ")
    )]
    Unsupported {
        /// The path as given.
        path: PathBuf,
    },
    /// A file that is no text.
    #[error(
        "cannot read {}: the byte at position {position} is not UTF-8; convert the file to UTF-8",
        path.display()
    )]
    NotUtf8 {
        /// The path as given.
        path: PathBuf,
        /// How many bytes before it are sound.
        position: usize,
    },
    /// Sizes that leave no room.
    #[error(
        "chunks of {max_chars} characters with an overlap of {overlap_chars} cannot be made: give at least 1 character and an overlap below the size"
    )]
    Options {
        /// The size asked for.
        max_chars: usize,
        /// The overlap asked for.
        overlap_chars: usize,
    },
}

/// Reads one file.
///
/// # Errors
///
/// An unknown extension, a file that cannot be read, or one that is not UTF-8.
pub fn read(path: &Path) -> Result<Document, ChunkError> {
    let format = Format::of(path).ok_or_else(|| ChunkError::Unsupported {
        path: path.to_owned(),
    })?;
    let bytes = std::fs::read(path).map_err(|source| ChunkError::Io {
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8(bytes).map_err(|error| ChunkError::NotUtf8 {
        path: path.to_owned(),
        position: error.utf8_error().valid_up_to(),
    })?;
    Ok(parse(&source_name(path), format, &text))
}

/// Parses the text of a file. `source` is the name under which its chunks are known; it also stands
/// in for the title of a document that has none.
pub fn parse(source: &str, format: Format, text: &str) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (title, sections) = match format {
        Format::Markdown => markdown::parse(text),
        Format::Html => html::parse(text),
        Format::Text => (None, text::parse(text)),
    };
    let title = title
        .or_else(|| {
            sections
                .iter()
                .find_map(|section| section.headings.first().cloned())
        })
        .unwrap_or_else(|| source.rsplit('/').next().unwrap_or(source).to_owned());
    Document {
        source: source.to_owned(),
        title,
        sections,
    }
}

/// Reads one file and splits it.
///
/// # Errors
///
/// Those of [`read`] and [`split`].
pub fn chunk_file(path: &Path, options: &ChunkOptions) -> Result<Vec<Chunk>, ChunkError> {
    split(&read(path)?, options)
}

/// The path as given, with forward slashes and without a leading `./`.
fn source_name(path: &Path) -> String {
    let name = path
        .to_string_lossy()
        .replace(std::path::MAIN_SEPARATOR, "/");
    name.trim_start_matches("./").to_owned()
}

/// Runs of white space become one space; none stay at the ends.
fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_utf8_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, b"ok \xff\xfe").unwrap();
        assert!(matches!(
            read(&path),
            Err(ChunkError::NotUtf8 { position: 3, .. })
        ));
    }

    #[test]
    fn an_unsupported_file_is_named_with_what_can_be_read() {
        let message = read(Path::new("a/slides.pdf")).unwrap_err().to_string();
        assert!(
            message.contains("a/slides.pdf") && message.contains("md, "),
            "{message}"
        );
    }

    #[test]
    fn the_source_is_the_path_as_given_and_stands_in_for_a_missing_title() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note.txt");
        std::fs::write(&path, "\u{feff}Hello.").unwrap();
        let document = read(&path).unwrap();
        assert_eq!(document.source, path.to_string_lossy());
        assert_eq!(document.title, "note.txt");
        assert_eq!(document.sections[0].blocks[0].text, "Hello.");
        assert_eq!(source_name(Path::new("./docs/a.md")), "docs/a.md");
    }
}
