//! Writing and reading items.

use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;

use super::open::Failure;
use super::space::recorded_space;
use super::{Row, Store, StoreError, StoredItem, Written};

impl Store {
    /// How often the store has changed.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn generation(&self) -> Result<u64, StoreError> {
        self.read(|transaction| Ok(generation(transaction)?))
    }

    /// How many items are stored.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn count(&self) -> Result<usize, StoreError> {
        self.read(|transaction| Ok(count(transaction)?))
    }

    /// Stores items in one transaction. An item whose id is there replaces it and keeps its key; of an
    /// id given twice the last wins.
    ///
    /// # Errors
    ///
    /// A vector of another dimension, a store that was never claimed, or a failing database; nothing
    /// is then stored.
    pub fn upsert(&self, items: &[StoredItem]) -> Result<Written, StoreError> {
        self.write(|transaction| {
            let space = recorded_space(transaction)?.ok_or(StoreError::Unclaimed)?;
            let keys = insert(transaction, items, space.dimension)?;
            Ok(Written {
                generation: next_generation(transaction)?,
                keys,
            })
        })
    }

    /// The items with these keys, in this order. A key without a row is passed over.
    ///
    /// # Errors
    ///
    /// A damaged row, or a failing database.
    pub fn get(&self, keys: &[u64]) -> Result<Vec<Row>, StoreError> {
        self.read(|transaction| {
            let mut select = transaction
                .prepare_cached("SELECT id, text, metadata FROM items WHERE key = ?1")?;
            let mut rows = Vec::with_capacity(keys.len());
            for &key in keys {
                let Ok(sql_key) = i64::try_from(key) else {
                    continue;
                };
                let row = select.query_row([sql_key], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
                });
                let Some((id, text, metadata)) = row.optional()? else {
                    continue;
                };
                rows.push(Row {
                    key,
                    id,
                    text,
                    metadata: self.parse_metadata(key, &metadata)?,
                });
            }
            Ok(rows)
        })
    }

    /// The keys of these ids, in this order. An id without an item is passed over.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn keys_of<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<u64>, StoreError> {
        self.read(|transaction| {
            let mut select = transaction.prepare_cached("SELECT key FROM items WHERE id = ?1")?;
            let mut keys = Vec::with_capacity(ids.len());
            for id in ids {
                keys.extend(select.query_row([id.as_ref()], key).optional()?);
            }
            Ok(keys)
        })
    }

    /// The vectors under these keys, in this order. A key without a row is passed over.
    ///
    /// # Errors
    ///
    /// A damaged row, or a failing database.
    pub fn vectors(&self, keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, StoreError> {
        self.read(|transaction| {
            let Some(space) = recorded_space(transaction)? else {
                return Ok(Vec::new());
            };
            let dimension = space.dimension;
            let mut select =
                transaction.prepare_cached("SELECT vector FROM items WHERE key = ?1")?;
            let mut vectors = Vec::with_capacity(keys.len());
            for &key in keys {
                let Ok(sql_key) = i64::try_from(key) else {
                    continue;
                };
                let bytes: Option<Vec<u8>> =
                    select.query_row([sql_key], |row| row.get(0)).optional()?;
                let Some(bytes) = bytes else { continue };
                let vector = from_bytes(&bytes, dimension).ok_or_else(|| {
                    let reason =
                        format!("a vector of {} bytes, not {dimension} numbers", bytes.len());
                    Failure::from(self.damaged_row(key, reason))
                })?;
                vectors.push((key, vector));
            }
            Ok(vectors)
        })
    }

    /// All ids, in the order in which they were first stored.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn ids(&self) -> Result<Vec<String>, StoreError> {
        self.read(|transaction| {
            let mut select = transaction.prepare("SELECT id FROM items ORDER BY key")?;
            let ids = select
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            Ok(ids)
        })
    }

    /// The next at most `limit` keys and vectors after a key; begin after 0, end at an empty page.
    ///
    /// # Errors
    ///
    /// A damaged row, or a failing database.
    pub fn vectors_after(
        &self,
        key: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<f32>)>, StoreError> {
        self.read(|transaction| {
            let dimension = recorded_space(transaction)?
                .ok_or(StoreError::Unclaimed)?
                .dimension;
            let page: Vec<(u64, Vec<u8>)> = page(transaction, "vector", key, limit)?;
            let decode = |(key, bytes): (u64, Vec<u8>)| match from_bytes(&bytes, dimension) {
                Some(vector) => Ok((key, vector)),
                None => Err(Failure::from(self.damaged_row(
                    key,
                    format!("a vector of {} bytes, not {dimension} numbers", bytes.len()),
                ))),
            };
            page.into_iter().map(decode).collect()
        })
    }

    /// Deletes items and returns the keys of those that were there, and the new generation.
    ///
    /// # Errors
    ///
    /// A failing database; nothing is then deleted.
    pub fn delete<S: AsRef<str>>(&self, ids: &[S]) -> Result<Written, StoreError> {
        self.write(|transaction| {
            let mut delete =
                transaction.prepare_cached("DELETE FROM items WHERE id = ?1 RETURNING key")?;
            let mut keys = Vec::new();
            for id in ids {
                keys.extend(delete.query_row([id.as_ref()], key).optional()?);
            }
            Ok(Written {
                generation: next_generation(transaction)?,
                keys,
            })
        })
    }

    /// Deletes every item and returns the new generation. Keys go on where they were.
    ///
    /// # Errors
    ///
    /// A failing database; nothing is then deleted.
    pub fn reset(&self) -> Result<u64, StoreError> {
        self.write(|transaction| {
            transaction.execute("DELETE FROM items", [])?;
            Ok(next_generation(transaction)?)
        })
    }

    pub(super) fn parse_metadata(&self, key: u64, json: &str) -> Result<Value, StoreError> {
        serde_json::from_str(json)
            .map_err(|error| self.damaged_row(key, format!("metadata that is no JSON: {error}")))
    }

    pub(super) fn damaged_row(&self, key: u64, reason: String) -> StoreError {
        StoreError::DamagedRow {
            path: self.path.clone(),
            key,
            reason,
        }
    }
}

fn generation(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    transaction.query_row("SELECT generation FROM meta", [], key)
}

pub(super) fn next_generation(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let sql = "UPDATE meta SET generation = generation + 1 RETURNING generation";
    transaction.query_row(sql, [], key)
}

pub(super) fn count(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    let count: i64 = transaction.query_row("SELECT count(*) FROM items", [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Writes items and returns their keys.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    items: &[StoredItem],
    dimension: usize,
) -> Result<Vec<u64>, Failure> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO items (id, text, metadata, vector) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET
             text = excluded.text, metadata = excluded.metadata, vector = excluded.vector
         RETURNING key",
    )?;
    let mut keys = Vec::with_capacity(items.len());
    for item in items {
        if item.vector.len() != dimension {
            return Err(Failure::from(StoreError::Dimension {
                id: item.id.clone(),
                expected: dimension,
                given: item.vector.len(),
            }));
        }
        let metadata = item.metadata.to_string();
        let vector = to_bytes(&item.vector);
        keys.push(insert.query_row(params![item.id, item.text, metadata, vector], key)?);
    }
    Ok(keys)
}

/// The next rows after a key, with one column of them.
pub(super) fn page<T: rusqlite::types::FromSql>(
    transaction: &Transaction<'_>,
    column: &str,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, T)>> {
    let sql = format!("SELECT key, {column} FROM items WHERE key > ?1 ORDER BY key LIMIT ?2");
    let mut select = transaction.prepare_cached(&sql)?;
    let bounds = params![
        i64::try_from(after).unwrap_or(i64::MAX),
        i64::try_from(limit).unwrap_or(i64::MAX)
    ];
    select
        .query_map(bounds, |row| Ok((key(row)?, row.get(1)?)))?
        .collect()
}

/// SQLite's integers are signed; keys and generations count up from 1 and never get near the sign.
pub(super) fn key(row: &rusqlite::Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(|key| key as u64)
}

pub(super) fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

pub(super) fn from_bytes(bytes: &[u8], dimension: usize) -> Option<Vec<f32>> {
    let (values, rest) = bytes.as_chunks();
    let whole = rest.is_empty() && values.len() == dimension;
    whole.then(|| {
        values
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::super::VectorSpace;
    use super::*;

    fn space() -> VectorSpace {
        VectorSpace {
            model: "m".to_owned(),
            dimension: 2,
        }
    }

    fn item(id: &str, text: &str, vector: [f32; 2]) -> StoredItem {
        let metadata = serde_json::json!({ "source": text });
        StoredItem {
            id: id.to_owned(),
            text: text.to_owned(),
            metadata,
            vector: vector.to_vec(),
        }
    }

    fn opened() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.claim(&space()).unwrap();
        (folder, store)
    }

    #[test]
    fn the_same_id_replaces_and_keeps_its_key() {
        let (_folder, store) = opened();
        let first = store
            .upsert(&[item("a", "old", [1.0, 0.0]), item("b", "b", [0.0, 1.0])])
            .unwrap();
        let second = store.upsert(&[item("a", "new", [0.6, 0.8])]).unwrap();
        assert_eq!(second.keys, first.keys[..1]);
        assert_eq!(second.generation, first.generation + 1);
        let rows = store
            .get(&[first.keys[1], 999, first.keys[0], u64::MAX])
            .unwrap();
        assert_eq!(
            rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(),
            ["b", "new"]
        );
        assert_eq!(rows[1].metadata["source"], "new");
        assert_eq!(store.count().unwrap(), 2);
        let keys = store.keys_of(&["b", "none", "a"]).unwrap();
        assert_eq!(keys, [first.keys[1], first.keys[0]]);
    }

    #[test]
    fn everything_is_there_after_reopening() {
        let (folder, store) = opened();
        let written = store
            .upsert(&[item("a", "a", [0.1, f32::MIN_POSITIVE])])
            .unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.space().unwrap(), Some(space()));
        assert_eq!(store.generation().unwrap(), written.generation);
        assert_eq!(store.ids().unwrap(), ["a"]);
        let vectors = store.vectors_after(0, 10).unwrap();
        assert_eq!(vectors, [(written.keys[0], vec![0.1, f32::MIN_POSITIVE])]);
    }

    #[test]
    fn pages_go_through_all_vectors_once() {
        let (_folder, store) = opened();
        let items: Vec<_> = (0..7)
            .map(|i| item(&i.to_string(), "t", [i as f32, 0.0]))
            .collect();
        store.upsert(&items).unwrap();
        let mut seen = Vec::new();
        let mut last = 0;
        loop {
            let page = store.vectors_after(last, 3).unwrap();
            let Some(&(end, _)) = page.last() else { break };
            last = end;
            seen.extend(page.into_iter().map(|(_, vector)| vector[0]));
        }
        assert_eq!(seen, (0..7).map(|i| i as f32).collect::<Vec<_>>());
    }

    #[test]
    fn a_key_is_never_given_to_another_item() {
        let (_folder, store) = opened();
        let first = store.upsert(&[item("a", "a", [1.0, 0.0])]).unwrap();
        store.reset().unwrap();
        let second = store.upsert(&[item("b", "b", [1.0, 0.0])]).unwrap();
        assert_ne!(first.keys, second.keys);
        assert!(store.get(&first.keys).unwrap().is_empty());
        assert_eq!(store.delete(&["b", "none"]).unwrap().keys, second.keys);
        assert_eq!(store.count().unwrap(), 0);
    }

    #[test]
    fn a_refused_request_stores_nothing() {
        let (_folder, store) = opened();
        let generation = store.generation().unwrap();
        let mut bad = item("b", "b", [1.0, 0.0]);
        bad.vector.push(0.0);
        let error = store
            .upsert(&[item("a", "a", [1.0, 0.0]), bad])
            .unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Dimension {
                    expected: 2,
                    given: 3,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(
            (store.count().unwrap(), store.generation().unwrap()),
            (0, generation)
        );
    }

    #[test]
    fn a_reader_does_not_wait_for_a_writer() {
        let (_folder, store) = opened();
        store
            .write(|_transaction| {
                assert_eq!(store.count().unwrap(), 0);
                Ok(())
            })
            .unwrap();
    }
}
