//! What can go wrong with the store, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::VectorSpace;

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A folder that cannot be made or written to.
    #[error(
        "cannot write to the data folder {}: {source}; let this process write there, or choose another folder with DATA_DIR",
        dir.display()
    )]
    Unwritable {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder that another process works in.
    #[error(
        "the data folder {} is in use by another process: stop that one, or choose another folder with DATA_DIR",
        dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// A database that SQLite cannot make sense of.
    #[error(
        "the database {} is damaged ({source}): restore it from a backup, or move it away and ingest again",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A database that another program or version made.
    #[error(
        "the database {} has format {found}, this version reads {expected}: use the version that wrote it, or another folder with DATA_DIR",
        path.display()
    )]
    OtherFormat {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this version.
        expected: i64,
    },
    /// Vectors of another model than the one wanted.
    #[error(
        "the stored vectors were made by {recorded}, not by {wanted}: start with the recorded model, embed the stored texts again, or choose another folder with DATA_DIR"
    )]
    OtherSpace {
        /// What made the stored vectors.
        recorded: VectorSpace,
        /// What was asked for.
        wanted: VectorSpace,
    },
    /// A store whose model was never said.
    #[error(
        "the store does not know its embedding model yet: claim it for one before writing vectors"
    )]
    Unclaimed,
    /// A vector of another dimension than the store's.
    #[error("the vector of item {id:?} has {given} components, the store's have {expected}")]
    Dimension {
        /// The item.
        id: String,
        /// Components of the store's vectors.
        expected: usize,
        /// Components given.
        given: usize,
    },
    /// A row that cannot be what was written.
    #[error(
        "row {key} of the database {} is damaged ({reason}): upsert that item again, or restore a backup",
        path.display()
    )]
    DamagedRow {
        /// The database file.
        path: PathBuf,
        /// The row's key.
        key: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else SQLite reports.
    #[error("the database {} failed: {source}; check the disk's free space and permissions", path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl StoreError {
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, source }
            }
            _ => Self::Sqlite { path, source },
        }
    }
}
