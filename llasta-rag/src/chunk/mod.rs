//! Files to chunks: what is read, how it is cut, and under which ids it is stored.
//!
//! A file becomes a [`Document`] of sections, each with its headings and its blocks (paragraphs,
//! lists, code, tables); a document becomes [`Chunk`]s, each within one section and small enough to be
//! retrieved by itself. Lengths are in Unicode scalar values or in tokens of a model, and no cut falls
//! inside a scalar value.
//!
//! A bad file is an error of its own: [`discover`] says which files there are, and [`chunk_file`]
//! answers for each of them, so that the caller can go on with the rest.
//!
//! In reading order:
//! - `document.rs`: [`Document`], [`Section`], [`Block`];
//! - `discover.rs`: [`discover`], the files below some paths, and [`Format`], what can be read;
//! - `pattern.rs`: files by patterns;
//! - `markdown.rs`, `html.rs`, `text.rs`, `pdf.rs`: one parser per format;
//! - `measure.rs`: [`Unit`] and [`TokenCount`], how long a text is;
//! - `split.rs`: [`split`], documents to chunks.

mod discover;
mod document;
mod html;
mod markdown;
mod measure;
mod pattern;
mod pdf;
mod split;
mod text;

pub use self::discover::{Format, discover};
pub use self::document::{Block, BlockKind, Document, Section};
pub use self::measure::{TokenCount, Unit};
pub use self::pdf::{PDF_THREAD, PdfError};
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
    /// A PDF that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Pdf {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        source: PdfError,
    },
    /// A pattern that is none.
    #[error("the pattern {pattern:?} cannot be read: {source}; patterns are like docs/**/*.pdf")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A pattern that no file matches.
    #[error(
        "no file that can be read matches {pattern:?}: look whether the folder is the right one"
    )]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// Sizes that leave no room.
    #[error(
        "chunks of {max} {unit} with an overlap of {overlap} cannot be made: give at least 1 and an overlap below the size"
    )]
    Options {
        /// The size asked for.
        max: usize,
        /// The overlap asked for.
        overlap: usize,
        /// What both are given in.
        unit: &'static str,
    },
}

/// Reads one file.
///
/// # Errors
///
/// An unknown extension, a file that cannot be read, a text that is not UTF-8, or a PDF that is
/// encrypted, has no text or is damaged.
pub fn read(path: &Path) -> Result<Document, ChunkError> {
    let bytes = std::fs::read(path).map_err(|source| ChunkError::Io {
        path: path.to_owned(),
        source,
    })?;
    read_bytes(path, bytes)
}

/// Like [`read`], of a file whose content is there already.
///
/// # Errors
///
/// Those of [`read`].
pub fn read_bytes(path: &Path, bytes: Vec<u8>) -> Result<Document, ChunkError> {
    let format = Format::of(path).ok_or_else(|| ChunkError::Unsupported {
        path: path.to_owned(),
    })?;
    let source = source_name(path);
    if format == Format::Pdf {
        let pages = pdf::parse(bytes).map_err(|error| ChunkError::Pdf {
            path: path.to_owned(),
            source: error,
        })?;
        return Ok(titled(&source, pages.title, pages.sections, pages.unread));
    }
    let text = String::from_utf8(bytes).map_err(|error| ChunkError::NotUtf8 {
        path: path.to_owned(),
        position: error.utf8_error().valid_up_to(),
    })?;
    Ok(parse(&source, format, &text))
}

/// Parses the text of a file. `source` is the name under which its chunks are known; it also stands
/// in for the title of a document that has none. The text of a PDF is what was extracted from it.
pub fn parse(source: &str, format: Format, text: &str) -> Document {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (title, sections) = match format {
        Format::Markdown => markdown::parse(text),
        Format::Html => html::parse(text),
        Format::Text | Format::Pdf => (None, text::parse(text)),
    };
    titled(source, title, sections, Vec::new())
}

fn titled(
    source: &str,
    title: Option<String>,
    sections: Vec<Section>,
    unread_pages: Vec<u32>,
) -> Document {
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
        unread_pages,
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

/// The name under which a file's chunks are known: the path as given, with forward slashes and without a
/// leading `./`.
pub fn source_name(path: &Path) -> String {
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
        let message = read_bytes(Path::new("a/slides.ppt"), Vec::new())
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("a/slides.ppt") && message.contains("md, "),
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
