//! What there is to ingest, and what each file is at the moment.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llasta_rag::chunk::{self, ChunkOptions, source_name};
use llasta_rag::pipeline::Item;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Changes when files give other chunks than before: then nothing counts as unchanged.
const METHOD: &str = "1";

/// A file as it is now.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) path: PathBuf,
    /// The name under which its chunks are known.
    pub(super) source: String,
    pub(super) bytes: u64,
    /// Of its content and of how it is cut; nothing where it could not be read.
    pub(super) revision: Option<String>,
}

/// All files of a run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) files: Vec<Arc<Planned>>,
    pub(super) bytes: u64,
    /// What the reading took.
    pub(super) took: Duration,
    revisions: HashMap<String, String>,
}

impl Plan {
    /// Reads every file once.
    pub(super) fn of(files: Vec<PathBuf>, options: &ChunkOptions, model: &str) -> Self {
        let started = Instant::now();
        let cutting = format!(
            "{METHOD} {} {} {:?} {model}",
            options.max, options.overlap, options.unit
        );
        let files: Vec<_> = files
            .into_iter()
            .map(|path| Arc::new(Planned::of(path, &cutting)))
            .collect();
        let revisions = files.iter().filter_map(|file| {
            let revision = file.revision.clone()?;
            Some((file.source.clone(), revision))
        });
        Self {
            bytes: files.iter().map(|file| file.bytes).sum(),
            took: started.elapsed(),
            revisions: revisions.collect(),
            files,
        }
    }

    /// Whether chunks of this source and revision will be there after the run: a file that is not part
    /// of it stays as it is.
    pub(super) fn stays(&self, source: &str, revision: Option<&str>) -> bool {
        match self.revisions.get(source) {
            Some(current) => Some(current.as_str()) == revision,
            None => !self.files.iter().any(|file| file.source == source),
        }
    }
}

impl Planned {
    fn of(path: PathBuf, cutting: &str) -> Self {
        let content = std::fs::read(&path).ok();
        let revision = content.as_ref().map(|content| {
            let mut hasher = Sha256::new();
            hasher.update(cutting);
            hasher.update([0]);
            hasher.update(content);
            hexadecimal(&hasher.finalize()[..8])
        });
        Self {
            source: source_name(&path),
            bytes: content.map_or(0, |content| content.len() as u64),
            path,
            revision,
        }
    }
}

/// What a file gives.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) items: Vec<Item>,
    pub(super) pages: usize,
    /// Pages that are damaged.
    pub(super) unread_pages: Vec<u32>,
    pub(super) reading: Duration,
    pub(super) chunking: Duration,
}

/// Reads a file and cuts it. What later runs need to know of a chunk goes into its metadata: `hash` of its
/// text, `revision` of the file, and `chunks`, how many the file has.
pub(super) fn cut(file: &Planned, options: &ChunkOptions) -> Result<Cut, String> {
    let started = Instant::now();
    let document = chunk::read(&file.path).map_err(|error| plain(&error, &file.path))?;
    let reading = started.elapsed();
    let chunks = chunk::split(&document, options).map_err(|error| error.to_string())?;
    let total = chunks.len();
    let pages = document.sections.iter().filter_map(|section| section.page);
    let items = chunks.into_iter().map(|mut chunk| {
        let metadata = &mut chunk.metadata;
        metadata.insert("hash".to_owned(), Value::from(text_hash(&chunk.text)));
        metadata.insert("revision".to_owned(), Value::from(file.revision.clone()));
        metadata.insert("chunks".to_owned(), Value::from(total));
        Item::from(chunk)
    });
    Ok(Cut {
        items: items.collect(),
        pages: pages.collect::<std::collections::HashSet<_>>().len(),
        unread_pages: document.unread_pages,
        reading,
        chunking: started.elapsed().saturating_sub(reading),
    })
}

/// The path stands before the message already.
fn plain(error: &chunk::ChunkError, path: &Path) -> String {
    let message = error.to_string();
    let prefix = format!("cannot read {}: ", path.display());
    message
        .strip_prefix(&prefix)
        .map_or(message.clone(), str::to_owned)
}

/// The first half of the SHA-256 of a text whose white space is made equal, in hexadecimal digits.
fn text_hash(text: &str) -> String {
    let mut hasher = Sha256::new();
    for word in text.split_whitespace() {
        hasher.update(word);
        hasher.update(b" ");
    }
    hexadecimal(&hasher.finalize()[..16])
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_white_space_alone_are_equal() {
        assert_eq!(text_hash("a b\n\nc"), text_hash(" a  b c "));
        assert_ne!(text_hash("a b"), text_hash("ab"));
        assert_eq!(text_hash("a").len(), 32);
    }

    #[test]
    fn a_file_is_another_when_its_content_or_its_cutting_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        std::fs::write(&path, "one").unwrap();
        let revision = |options: &ChunkOptions| {
            let plan = Plan::of(vec![path.clone()], options, "m");
            plan.files[0].revision.clone().unwrap()
        };
        let first = revision(&ChunkOptions::default());
        assert_eq!(revision(&ChunkOptions::default()), first);
        assert_ne!(revision(&ChunkOptions::chars(700, 100)), first);
        std::fs::write(&path, "two").unwrap();
        assert_ne!(revision(&ChunkOptions::default()), first);
    }
}
