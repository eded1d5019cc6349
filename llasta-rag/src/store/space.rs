//! Which model the vectors are of, and making them anew with another.

use rusqlite::{Transaction, params};

use super::items::{count, next_generation, page, to_bytes};
use super::open::Failure;
use super::{Store, StoreError, VectorSpace};

impl Store {
    /// What the stored vectors were made with; `None` before the first [`claim`](Self::claim).
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn space(&self) -> Result<Option<VectorSpace>, StoreError> {
        self.read(|transaction| Ok(recorded_space(transaction)?))
    }

    /// Says what the vectors are made with. An empty store takes any.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherSpace`] where vectors of another model are stored, or a failing database.
    pub fn claim(&self, wanted: &VectorSpace) -> Result<(), StoreError> {
        self.write(|transaction| claim(transaction, wanted))
    }

    /// Replaces every vector by what `embed` makes of its text, and the recorded space, in one
    /// transaction. `embed` is handed up to `batch` texts at a time.
    ///
    /// # Errors
    ///
    /// What `embed` returns, a vector of another dimension than `space` says, or a failing database;
    /// nothing is then changed.
    pub fn reembed<E: From<StoreError>>(
        &self,
        space: &VectorSpace,
        batch: usize,
        mut embed: impl FnMut(&[&str]) -> Result<Vec<Vec<f32>>, E>,
    ) -> Result<u64, E> {
        self.write_as(|transaction| {
            let sql = |source: rusqlite::Error| self.fail(source);
            let mut last = 0;
            loop {
                let texts: Vec<(u64, String)> =
                    page(transaction, "text", last, batch).map_err(sql)?;
                let Some(&(end, _)) = texts.last() else { break };
                last = end;
                let vectors = embed(
                    &texts
                        .iter()
                        .map(|(_, text)| text.as_str())
                        .collect::<Vec<_>>(),
                )?;
                for (position, &(key, _)) in texts.iter().enumerate() {
                    let vector = vectors.get(position).map_or(&[][..], Vec::as_slice);
                    if vector.len() != space.dimension {
                        let (expected, given) = (space.dimension, vector.len());
                        let id = format!("with key {key}");
                        return Err(StoreError::Dimension {
                            id,
                            expected,
                            given,
                        }
                        .into());
                    }
                    transaction
                        .prepare_cached("UPDATE items SET vector = ?2 WHERE key = ?1")
                        .and_then(|mut update| {
                            update.execute(params![key as i64, to_bytes(vector)])
                        })
                        .map_err(sql)?;
                }
            }
            record_space(transaction, space).map_err(sql)?;
            Ok(next_generation(transaction).map_err(sql)?)
        })
    }
}

pub(super) fn claim(transaction: &Transaction<'_>, wanted: &VectorSpace) -> Result<(), Failure> {
    match recorded_space(transaction)? {
        Some(recorded) if recorded == *wanted => return Ok(()),
        Some(recorded) if count(transaction)? > 0 => {
            let wanted = wanted.clone();
            return Err(Failure::from(StoreError::OtherSpace { recorded, wanted }));
        }
        _ => {}
    }
    record_space(transaction, wanted)?;
    next_generation(transaction)?;
    Ok(())
}

pub(super) fn recorded_space(
    transaction: &Transaction<'_>,
) -> rusqlite::Result<Option<VectorSpace>> {
    let (model, dimension): (Option<String>, Option<i64>) =
        transaction.query_row("SELECT model, dimension FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let dimension = dimension.and_then(|dimension| usize::try_from(dimension).ok());
    Ok(model
        .zip(dimension)
        .map(|(model, dimension)| VectorSpace { model, dimension }))
}

fn record_space(transaction: &Transaction<'_>, space: &VectorSpace) -> rusqlite::Result<()> {
    let dimension = space.dimension as i64;
    transaction.execute(
        "UPDATE meta SET model = ?1, dimension = ?2",
        params![space.model, dimension],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::StoredItem;
    use super::*;

    fn item(id: &str, text: &str, vector: [f32; 2]) -> StoredItem {
        let (id, text) = (id.to_owned(), text.to_owned());
        StoredItem {
            id,
            text,
            metadata: serde_json::json!({}),
            vector: vector.to_vec(),
        }
    }

    fn space() -> VectorSpace {
        VectorSpace {
            model: "m".to_owned(),
            dimension: 2,
        }
    }

    fn opened() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.claim(&space()).unwrap();
        (folder, store)
    }

    #[test]
    fn another_model_is_refused_unless_the_store_is_empty() {
        let (_folder, store) = opened();
        let other = VectorSpace {
            model: "n".to_owned(),
            dimension: 3,
        };
        store.claim(&other).unwrap();
        store.claim(&space()).unwrap();
        store.upsert(&[item("a", "a", [1.0, 0.0])]).unwrap();
        let message = store.claim(&other).unwrap_err().to_string();
        assert!(
            message.contains("m (2 components)") && message.contains("n (3"),
            "{message}"
        );
    }

    #[test]
    fn embedding_again_replaces_all_vectors_or_none() {
        let (_folder, store) = opened();
        store
            .upsert(&[item("a", "a", [1.0, 0.0]), item("b", "bb", [1.0, 0.0])])
            .unwrap();
        let before = store.vectors_after(0, 10).unwrap();
        let other = VectorSpace {
            model: "n".to_owned(),
            dimension: 1,
        };

        let mut batches = 0;
        let failed = store.reembed(&other, 1, |texts| {
            batches += 1;
            if batches == 2 {
                Err(StoreError::Unclaimed)
            } else {
                Ok(vec![vec![1.0]; texts.len()])
            }
        });
        assert!(matches!(failed, Err(StoreError::Unclaimed)));
        assert_eq!(store.vectors_after(0, 10).unwrap(), before);
        assert_eq!(store.space().unwrap(), Some(space()));

        let embed = |texts: &[&str]| Ok(texts.iter().map(|text| vec![text.len() as f32]).collect());
        store.reembed::<StoreError>(&other, 1, embed).unwrap();
        let vectors: Vec<_> = store
            .vectors_after(0, 10)
            .unwrap()
            .into_iter()
            .map(|(_, vector)| vector)
            .collect();
        assert_eq!(vectors, [[1.0], [2.0]]);
        assert_eq!(store.space().unwrap(), Some(other));
    }
}
