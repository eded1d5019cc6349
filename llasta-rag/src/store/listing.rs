//! Items by their metadata: listing them, their keys, and deleting them.

use std::collections::HashSet;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Transaction, params_from_iter};
use serde_json::Value;

use super::items::{key, next_generation};
use super::open::Failure;
use super::{Filter, Store, StoreError, Written};

/// An item by its name, without text and vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The key the index knows it by.
    pub key: u64,
    /// The caller's name for it.
    pub id: String,
    /// What the caller stored with it.
    pub metadata: Value,
}

impl Store {
    /// The next at most `limit` items after a key, of those that a filter means; begin after 0, end at
    /// an empty list.
    ///
    /// # Errors
    ///
    /// A damaged row, or a failing database.
    pub fn list(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Named>, StoreError> {
        let mut parameters = vec![
            SqlValue::Integer(i64::try_from(after).unwrap_or(i64::MAX)),
            SqlValue::Integer(i64::try_from(limit).unwrap_or(i64::MAX)),
        ];
        let condition = condition(filter, &mut parameters);
        let sql = format!(
            "SELECT key, id, metadata FROM items WHERE key > ?1 AND {condition} ORDER BY key LIMIT ?2"
        );
        self.read(|transaction| {
            let mut select = transaction.prepare_cached(&sql)?;
            let mut rows = select.query(params_from_iter(&parameters))?;
            let mut named = Vec::new();
            while let Some(row) = rows.next()? {
                let key = key(row)?;
                let metadata = self.parse_metadata(key, row.get_ref(2)?.as_str().unwrap_or(""))?;
                let id = row.get(1)?;
                named.push(Named { key, id, metadata });
            }
            Ok(named)
        })
    }

    /// The keys of the items that a filter means.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn keys(&self, filter: &Filter) -> Result<HashSet<u64>, StoreError> {
        let mut parameters = Vec::new();
        let sql = format!(
            "SELECT key FROM items WHERE {}",
            filter.condition(&mut parameters)
        );
        self.read(|transaction| {
            let mut select = transaction.prepare_cached(&sql)?;
            let keys = select
                .query_map(params_from_iter(&parameters), key)?
                .collect::<Result<_, _>>()?;
            Ok(keys)
        })
    }

    /// Deletes the items that a filter means, except those with an id of `keep`, and returns their keys
    /// and the new generation.
    ///
    /// # Errors
    ///
    /// A failing database; nothing is then deleted.
    pub fn delete_where<S: AsRef<str>>(
        &self,
        filter: &Filter,
        keep: &[S],
    ) -> Result<Written, StoreError> {
        let keep: Vec<_> = keep.iter().map(AsRef::as_ref).collect();
        // One parameter, however many they are.
        let mut parameters = vec![SqlValue::Text(Value::from(keep).to_string())];
        let sql = format!(
            "DELETE FROM items
             WHERE {} AND id NOT IN (SELECT value FROM json_each(?1)) RETURNING key",
            filter.condition(&mut parameters)
        );
        self.write(|transaction| {
            let keys = keys_of(transaction, &sql, &parameters)?;
            Ok(Written {
                generation: next_generation(transaction)?,
                keys,
            })
        })
    }
}

fn condition(filter: Option<&Filter>, parameters: &mut Vec<SqlValue>) -> String {
    filter.map_or_else(|| "true".to_owned(), |filter| filter.condition(parameters))
}

fn keys_of(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[SqlValue],
) -> Result<Vec<u64>, Failure> {
    let mut statement = transaction.prepare_cached(sql)?;
    let keys = statement
        .query_map(params_from_iter(parameters), key)?
        .collect::<Result<_, _>>()?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::super::{StoredItem, VectorSpace};
    use super::*;
    use serde_json::json;

    fn opened() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let model = "m".to_owned();
        store
            .claim(&VectorSpace {
                model,
                dimension: 1,
            })
            .unwrap();
        let items: Vec<_> = (0..6)
            .map(|at| StoredItem {
                id: format!("id'{at}"),
                text: "t".to_owned(),
                metadata: json!({"source": if at % 2 == 0 { "even" } else { "odd" }}),
                vector: vec![1.0],
            })
            .collect();
        store.upsert(&items).unwrap();
        (folder, store)
    }

    #[test]
    fn a_listing_goes_on_after_the_last_key() {
        let (_folder, store) = opened();
        let even = Filter::one("source", "even");
        let mut ids = Vec::new();
        let mut last = 0;
        loop {
            let page = store.list(Some(&even), last, 2).unwrap();
            let Some(end) = page.last() else { break };
            last = end.key;
            ids.extend(page.into_iter().map(|named| named.id));
        }
        assert_eq!(ids, ["id'0", "id'2", "id'4"]);
        assert_eq!(store.list(None, 0, 100).unwrap().len(), 6);
        assert_eq!(store.keys(&even).unwrap().len(), 3);
    }

    #[test]
    fn what_is_meant_and_not_kept_is_deleted_at_once() {
        let (_folder, store) = opened();
        let before = store.generation().unwrap();
        let even = Filter::one("source", "even");
        let gone = store
            .delete_where(&even, &["id'2", "id'1", "other"])
            .unwrap();
        assert_eq!((gone.keys.len(), gone.generation), (2, before + 1));
        assert_eq!(store.ids().unwrap(), ["id'1", "id'2", "id'3", "id'5"]);
        assert_eq!(
            store.delete_where::<&str>(&even, &[]).unwrap().keys.len(),
            1
        );
    }
}
