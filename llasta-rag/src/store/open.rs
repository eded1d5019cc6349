//! The folder, the lock, the schema and the connections.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::filter::indexes;

/// The version of the schema below, kept in the database's `user_version`.
const FORMAT: i64 = 1;

/// `AUTOINCREMENT` is what keeps a key from being given out twice.
const SCHEMA: &str = "
    CREATE TABLE items (
        key      INTEGER PRIMARY KEY AUTOINCREMENT,
        id       TEXT NOT NULL UNIQUE,
        text     TEXT NOT NULL,
        metadata TEXT NOT NULL,
        vector   BLOB NOT NULL
    ) STRICT;
    CREATE TABLE meta (
        one        INTEGER PRIMARY KEY CHECK (one = 1),
        generation INTEGER NOT NULL,
        model      TEXT,
        dimension  INTEGER
    ) STRICT;
    INSERT INTO meta (one, generation) VALUES (1, 0);
    PRAGMA user_version = 1;
";

/// The items of one data folder.
pub struct Store {
    pub(super) path: PathBuf,
    writer: Mutex<Connection>,
    /// Connections that nobody reads with at the moment.
    readers: Mutex<Vec<Connection>>,
    /// Locked as long as the store is open.
    _lock: Lock,
}

impl Store {
    /// Opens the store in a folder, or makes both.
    ///
    /// # Errors
    ///
    /// A folder that cannot be written or that another process works in, or a database that is
    /// damaged or of another format.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let unwritable = |source| StoreError::Unwritable {
            dir: dir.to_owned(),
            source,
        };
        fs::create_dir_all(dir).map_err(unwritable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join("store.lock"))
            .map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    dir: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }

        let path = dir.join("store.db");
        let writer = connect(&path).map_err(|source| StoreError::sqlite(&path, source))?;
        let store = Self {
            path,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            _lock: Lock(lock),
        };
        store.create_schema()?;
        Ok(store)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create_schema(&self) -> Result<(), StoreError> {
        let found = self.write(|transaction| {
            let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            let tables: i64 =
                transaction
                    .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            let found = if found == 0 && tables == 0 {
                transaction.execute_batch(SCHEMA)?;
                FORMAT
            } else {
                found
            };
            if found == FORMAT {
                // They hold nothing of their own, so a store of any version may get them.
                transaction.execute_batch(&indexes())?;
            }
            Ok(found)
        })?;
        if found == FORMAT {
            return Ok(());
        }
        Err(StoreError::OtherFormat {
            path: self.path.clone(),
            found,
            expected: FORMAT,
        })
    }

    /// Runs `work` in a transaction that is committed if it succeeds and undone if it does not.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.write_as(|transaction| work(transaction).map_err(|error| self.fail(error)))
    }

    /// Like [`write`](Self::write), for work with errors of its own.
    pub(super) fn write_as<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = lock(&self.writer);
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| self.fail(source))?;
        let done = work(&transaction)?;
        transaction.commit().map_err(|source| self.fail(source))?;
        Ok(done)
    }

    /// Runs `work` on one state of the store, without waiting for writers.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let idle = lock(&self.readers).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => connect(&self.path)
                .and_then(|reader| {
                    reader.pragma_update(None, "query_only", true)?;
                    Ok(reader)
                })
                .map_err(|source| self.fail(source))?,
        };
        let transaction = reader.transaction().map_err(|source| self.fail(source))?;
        let done = work(&transaction).map_err(|error| self.fail(error))?;
        transaction.finish().map_err(|source| self.fail(source))?;
        lock(&self.readers).push(reader);
        Ok(done)
    }

    pub(super) fn fail(&self, failure: impl Into<Failure>) -> StoreError {
        match failure.into() {
            Failure::Sqlite(source) => StoreError::sqlite(&self.path, source),
            Failure::Store(error) => error,
        }
    }
}

/// A locked file, unlocked when it is dropped. Closing it is not enough: a child process that is
/// just being started has it open too, and with it the lock.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What work inside a transaction can fail with.
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// With `synchronous = FULL` a commit returns when the log is on the disk: what was acknowledged
/// survives a power cut, which `NORMAL` does not promise in write-ahead mode.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// A panic while a connection was held rolled its transaction back, so the lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Store::open(&file.join("below")).unwrap_err();
        assert!(matches!(error, StoreError::Unwritable { .. }), "{error}");
        assert!(error.to_string().contains("DATA_DIR"), "{error}");
    }

    #[test]
    fn a_folder_in_use_is_refused_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path()).unwrap();
        assert!(matches!(
            Store::open(folder.path()),
            Err(StoreError::InUse { .. })
        ));
        drop(first);
        Store::open(folder.path()).unwrap();
    }

    #[test]
    fn a_file_that_is_no_database_is_damaged_and_one_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        fs::write(&path, "no database ".repeat(100)).unwrap();
        assert!(matches!(
            Store::open(folder.path()),
            Err(StoreError::Damaged { .. })
        ));

        fs::remove_file(&path).unwrap();
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (x)")
            .unwrap();
        assert!(matches!(
            Store::open(folder.path()),
            Err(StoreError::OtherFormat {
                found: 0,
                expected: 1,
                ..
            })
        ));
    }
}
