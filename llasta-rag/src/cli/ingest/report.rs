//! What a run says at its end.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use llasta_rag::chunk::Format;

use crate::cli::failure::Failure;

/// What became of the files.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Files that were read and are in.
    pub(crate) files: usize,
    /// Files that were in and had not changed.
    pub(crate) unchanged: usize,
    pub(super) pages: usize,
    /// Chunks that were sent.
    pub(crate) chunks: usize,
    /// Those of them that took the place of older ones.
    pub(super) replaced: usize,
    /// Chunks whose text is there under another name.
    pub(super) duplicates: usize,
    /// Chunks that their file does not have any more.
    pub(super) deleted: usize,
    /// Items that faiss-wrap has since then; `None` when there was nothing to do with it.
    pub(crate) total_items: Option<usize>,
    pub(crate) failed: Vec<(PathBuf, String)>,
    /// Files of which pages are missing.
    pub(super) incomplete: Vec<(PathBuf, Vec<u32>)>,
    pub(super) took: Duration,
    pub(super) reading: Duration,
    pub(super) chunking: Duration,
    pub(super) waiting: Duration,
}

impl Summary {
    /// Says what is wrong to standard error and the rest to standard output.
    pub(super) fn print(&self, dry: bool) -> Result<(), Failure> {
        for (path, why) in &self.failed {
            eprintln!("{}: {why}", path.display());
        }
        for (path, pages) in &self.incomplete {
            let pages: Vec<_> = pages.iter().map(u32::to_string).collect();
            let pages = pages.join(", ");
            eprintln!("{}: damaged pages are missing: {pages}", path.display());
        }
        let any = self.chunks + self.duplicates + self.unchanged + self.deleted > 0;
        if any {
            print!("{}", self.text(dry));
        }
        match (self.failed.len(), any) {
            (0, true) if self.incomplete.is_empty() => Ok(()),
            (0, true) => Err(Failure::new(format!(
                "{} could not be read in full, everything else is in",
                count(self.incomplete.len(), "file")
            ))),
            (0, false) => Err(Failure::new(format!(
                "there was nothing to ingest: no file with a text in it that ends in {}",
                Format::EXTENSIONS.join(", ")
            ))),
            (failed, true) => Err(Failure::new(format!(
                "{} could not be read, the others are in",
                count(failed, "file")
            ))),
            (failed, false) => Err(Failure::new(format!(
                "{} could not be read, nothing was ingested",
                count(failed, "file")
            ))),
        }
    }

    fn text(&self, dry: bool) -> String {
        let seconds = self.took.as_secs_f64();
        let mut text = format!(
            "{} of {} {} in {seconds:.1} s",
            count(self.chunks, "chunk"),
            count(self.files, "file"),
            if dry {
                "would be sent, made"
            } else {
                "ingested"
            },
        );
        let mut add = |line: String| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{line}");
        };
        if let Some(total) = self.total_items {
            add(format!("; faiss-wrap holds {}", count(total, "item")));
        }
        add("\n".to_owned());
        let parts = [
            (self.pages, "page", "read"),
            (self.unchanged, "file", "unchanged"),
            (self.replaced, "chunk", "replaced"),
            (self.duplicates, "duplicate", "skipped"),
            (self.deleted, "chunk", "deleted"),
            (self.failed.len(), "file", "failed"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(number, _, _)| *number > 0)
            .map(|(number, thing, done)| format!("{} {done}", count(number, thing)))
            .collect();
        if !parts.is_empty() {
            add(format!("  {}\n", parts.join(", ")));
        }
        let rate = self.chunks as f64 / seconds.max(1e-9);
        add(format!(
            "  {rate:.0} chunks/s; reading {:.2} s, chunking {:.2} s, waiting for faiss-wrap {:.2} s\n",
            self.reading.as_secs_f64(),
            self.chunking.as_secs_f64(),
            self.waiting.as_secs_f64(),
        ));
        text
    }
}

pub(super) fn count(number: usize, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{end}")
}
