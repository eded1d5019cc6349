//! Everything as JSON Lines, out and in again.
//!
//! The first line says what follows: `{"llasta_store": 1, "model": "…", "dimension": 1024, "count": 3}`.
//! Each other line is an item: `{"id": "…", "text": "…", "metadata": …, "vector": [0.1, …]}`. Numbers are
//! written so that reading them gives the same bits.

use std::error::Error;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::items::{count, from_bytes, insert, key, next_generation};
use super::open::Failure;
use super::space::{claim, recorded_space};
use super::{Store, StoreError, StoredItem, VectorSpace};

/// The version of these lines.
const FORMAT: u32 = 1;

/// Items that are read before they are written.
const PAGE: usize = 256;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    llasta_store: u32,
    model: String,
    dimension: usize,
    count: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    id: String,
    text: String,
    metadata: Value,
    vector: Vec<f32>,
}

/// Makes the vectors of texts, one for each.
pub type Embed<'a> =
    &'a mut dyn FnMut(&[&str]) -> Result<Vec<Vec<f32>>, Box<dyn Error + Send + Sync>>;

/// Why a store was not written out or read in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The other side failed.
    #[error("the export cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// A line that is not what it should be.
    #[error("line {line} is no {expected} ({reason}): export again; nothing was imported")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Fewer or more lines than the first one says.
    #[error(
        "the first line says {expected} items, but {found} follow, so the file was cut off or put together: export again; nothing was imported"
    )]
    Count {
        /// Items there should be.
        expected: usize,
        /// Items there are.
        found: usize,
    },
    /// Texts that could not be embedded.
    #[error("the texts could not be embedded: {0}; nothing was imported")]
    Embed(Box<dyn Error + Send + Sync>),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failure(Failure::Sqlite(error))
    }
}

/// What ends an export early.
enum Stop {
    Failure(Failure),
    Io(io::Error),
}

impl Store {
    /// Writes every item, in the order in which they were first stored, of one state of the store; returns
    /// how many those are. One item at a time is in memory.
    ///
    /// # Errors
    ///
    /// A failing database or output, or a damaged row.
    pub fn export(&self, out: &mut dyn Write) -> Result<usize, TransferError> {
        let mut stopped = None;
        let written = self.read(|transaction| match self.export_from(transaction, out) {
            Ok(written) => Ok(written),
            Err(Stop::Failure(failure)) => Err(failure),
            Err(Stop::Io(error)) => {
                stopped = Some(error);
                Ok(0)
            }
        })?;
        match stopped {
            Some(error) => Err(error.into()),
            None => Ok(written),
        }
    }

    fn export_from(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        out: &mut dyn Write,
    ) -> Result<usize, Stop> {
        let space = recorded_space(transaction)?
            .ok_or(Stop::Failure(Failure::Store(StoreError::Unclaimed)))?;
        let mut write = |line: &dyn erased::Line| {
            let text = line.text().map_err(|error| Stop::Io(error.into()))?;
            writeln!(out, "{text}").map_err(Stop::Io)
        };
        let items = count(transaction)?;
        write(&Header {
            llasta_store: FORMAT,
            model: space.model,
            dimension: space.dimension,
            count: items,
        })?;
        let mut select = transaction
            .prepare("SELECT key, id, text, metadata, vector FROM items ORDER BY key")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let key = key(row)?;
            let damaged = |reason: &str| {
                Stop::Failure(Failure::Store(self.damaged_row(key, reason.to_owned())))
            };
            let bytes = row.get_ref(4)?.as_blob().unwrap_or_default();
            let vector = from_bytes(bytes, space.dimension)
                .ok_or_else(|| damaged("a vector of another size"))?;
            let metadata = self
                .parse_metadata(key, row.get_ref(3)?.as_str().unwrap_or_default())
                .map_err(|error| Stop::Failure(Failure::Store(error)))?;
            write(&Line {
                id: row.get(1)?,
                text: row.get(2)?,
                metadata,
                vector,
            })?;
        }
        out.flush().map_err(Stop::Io)?;
        Ok(items)
    }

    /// Reads what [`export`](Self::export) wrote, in one transaction: all of it or nothing. An item whose id
    /// is there replaces it, others stay. With `embed` the vectors are made anew for `space`; without it
    /// they must be of the model that the store has, if it has items. Returns how many were read.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherSpace`] for vectors of another model, lines that are not what they should be, or
    /// a failing input, embedder or database; nothing is then changed.
    pub fn import(
        &self,
        input: &mut dyn BufRead,
        embed: Option<(&VectorSpace, Embed<'_>)>,
    ) -> Result<usize, TransferError> {
        let mut lines = input.lines().enumerate();
        let first = lines.next().map(|(_, line)| line).transpose()?;
        let header: Header = read(1, "head of an export", &first.unwrap_or_default())?;
        if header.llasta_store != FORMAT {
            return Err(TransferError::Line {
                line: 1,
                expected: "head of an export that this version reads",
                reason: format!("it has format {}", header.llasta_store),
            });
        }
        let recorded = VectorSpace {
            model: header.model,
            dimension: header.dimension,
        };
        let (space, mut embed) = match embed {
            Some((space, embed)) => (space, Some(embed)),
            None => (&recorded, None),
        };
        self.write_as(|transaction| {
            let sql = |failure: Failure| TransferError::Store(self.fail(failure));
            claim(transaction, space).map_err(sql)?;
            let mut found = 0;
            loop {
                let mut items = Vec::new();
                for (at, line) in lines.by_ref().take(PAGE) {
                    items.push(item(at + 1, &line?, recorded.dimension)?);
                }
                if items.is_empty() {
                    break;
                }
                found += items.len();
                if let Some(embed) = embed.as_deref_mut() {
                    let texts: Vec<_> = items.iter().map(|item| item.text.as_str()).collect();
                    let vectors = embed(&texts).map_err(TransferError::Embed)?;
                    if vectors.len() != items.len() {
                        let (given, wanted) = (vectors.len(), items.len());
                        let why = format!("{given} vectors came for {wanted} texts");
                        return Err(TransferError::Embed(why.into()));
                    }
                    for (item, vector) in items.iter_mut().zip(vectors) {
                        item.vector = vector;
                    }
                }
                insert(transaction, &items, space.dimension).map_err(sql)?;
            }
            if found != header.count {
                return Err(TransferError::Count {
                    expected: header.count,
                    found,
                });
            }
            next_generation(transaction).map_err(|error| sql(error.into()))?;
            Ok(found)
        })
    }
}

fn item(line: usize, text: &str, dimension: usize) -> Result<StoredItem, TransferError> {
    let Line {
        id,
        text,
        metadata,
        vector,
    } = read(line, "item", text)?;
    let reason = if id.trim().is_empty() {
        "the id is blank".to_owned()
    } else if vector.len() != dimension {
        format!(
            "its vector has {} components, not {dimension}",
            vector.len()
        )
    } else if vector.iter().any(|value| !value.is_finite()) {
        "its vector has a number that is too large".to_owned()
    } else {
        return Ok(StoredItem {
            id,
            text,
            metadata,
            vector,
        });
    };
    Err(TransferError::Line {
        line,
        expected: "item",
        reason,
    })
}

fn read<T: serde::de::DeserializeOwned>(
    line: usize,
    expected: &'static str,
    text: &str,
) -> Result<T, TransferError> {
    serde_json::from_str(text).map_err(|error| TransferError::Line {
        line,
        expected,
        reason: error.to_string(),
    })
}

/// Lines of either kind.
mod erased {
    pub(super) trait Line {
        fn text(&self) -> serde_json::Result<String>;
    }

    impl<T: serde::Serialize> Line for T {
        fn text(&self) -> serde_json::Result<String> {
            serde_json::to_string(self)
        }
    }
}
