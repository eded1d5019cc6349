//! Items by the words of their texts: BM25, by SQLite's FTS5.

use rusqlite::params_from_iter;
use rusqlite::types::Value as SqlValue;

use super::items::key;
use super::open::Failure;
use super::{Filter, Store, StoreError};

/// How FTS5 takes a text apart. Porter's stemmer takes English endings off and leaves other words alone.
pub(crate) const TOKENIZER: &str = "porter unicode61 remove_diacritics 2";

/// The table has no texts of its own but points at those of `items`; the triggers keep both in step,
/// whoever writes.
fn text_index() -> String {
    format!(
        "
    CREATE VIRTUAL TABLE items_text USING fts5 (
        text, content = 'items', content_rowid = 'key',
        tokenize = '{TOKENIZER}'
    );
    CREATE TRIGGER items_text_insert AFTER INSERT ON items BEGIN
        INSERT INTO items_text (rowid, text) VALUES (new.key, new.text);
    END;
    CREATE TRIGGER items_text_delete AFTER DELETE ON items BEGIN
        INSERT INTO items_text (items_text, rowid, text) VALUES ('delete', old.key, old.text);
    END;
    CREATE TRIGGER items_text_update AFTER UPDATE OF text ON items BEGIN
        INSERT INTO items_text (items_text, rowid, text) VALUES ('delete', old.key, old.text);
        INSERT INTO items_text (rowid, text) VALUES (new.key, new.text);
    END;
    INSERT INTO items_text (items_text) VALUES ('rebuild');
"
    )
}

impl Store {
    /// Makes the index of words, unless it is there. That takes a while for many items, and writers wait;
    /// from then on every write keeps it up.
    ///
    /// # Errors
    ///
    /// A failing database; nothing is then made.
    pub fn prepare_text_search(&self) -> Result<(), StoreError> {
        let there = "SELECT count(*) FROM sqlite_schema WHERE name = 'items_text'";
        let is_there = |transaction: &rusqlite::Transaction<'_>| {
            let tables: i64 = transaction
                .prepare_cached(there)?
                .query_row([], |row| row.get(0))?;
            Ok::<_, Failure>(tables > 0)
        };
        if self.read(is_there)? {
            return Ok(());
        }
        self.write(|transaction| {
            if !is_there(transaction)? {
                transaction.execute_batch(&text_index())?;
            }
            Ok(())
        })
    }

    /// The keys of the at most `k` items whose texts have any of these words, best first by BM25, of those
    /// that a filter means. Words are taken as they are: nothing in them is syntax.
    ///
    /// # Errors
    ///
    /// A failing database, or one without [`prepare_text_search`](Self::prepare_text_search).
    pub fn search_text(
        &self,
        words: &[&str],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<u64>, StoreError> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let quoted = words
            .iter()
            .map(|word| format!("\"{}\"", word.replace('"', "\"\"").replace('\0', " ")));
        let mut parameters = vec![
            SqlValue::Text(quoted.collect::<Vec<_>>().join(" OR ")),
            SqlValue::Integer(i64::try_from(k).unwrap_or(i64::MAX)),
        ];
        let among = filter.map_or_else(String::new, |filter| {
            let condition = filter.condition(&mut parameters);
            format!("AND rowid IN (SELECT key FROM items WHERE {condition})")
        });
        let sql = format!(
            "SELECT rowid FROM items_text WHERE items_text MATCH ?1 {among} ORDER BY rank, rowid LIMIT ?2"
        );
        self.read(|transaction| {
            let mut select = transaction.prepare_cached(&sql)?;
            let keys = select
                .query_map(params_from_iter(&parameters), key)?
                .collect::<Result<_, _>>()?;
            Ok(keys)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{StoredItem, VectorSpace};
    use super::*;
    use serde_json::json;

    fn item(id: &str, text: &str) -> StoredItem {
        StoredItem {
            id: id.to_owned(),
            text: text.to_owned(),
            metadata: json!({ "source": id }),
            vector: vec![1.0],
        }
    }

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
        (folder, store)
    }

    #[test]
    fn the_index_of_words_has_what_was_there_and_follows_what_changes() {
        let (folder, store) = opened();
        let keys = store
            .upsert(&[
                item("a", "red ships"),
                item("b", "blue ships"),
                item("c", "cats"),
            ])
            .unwrap()
            .keys;
        store.prepare_text_search().unwrap();
        let found = |store: &Store, word: &str| store.search_text(&[word], 9, None).unwrap();
        assert_eq!(found(&store, "ship"), keys[..2]);
        store.upsert(&[item("a", "green cats")]).unwrap();
        assert_eq!(found(&store, "ships"), keys[1..2]);
        assert_eq!(found(&store, "green"), keys[..1]);
        store.delete(&["c"]).unwrap();
        assert_eq!(found(&store, "cats"), keys[..1]);
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        store.prepare_text_search().unwrap();
        assert_eq!(found(&store, "ships"), keys[1..2]);
        let only = Filter::one("source", "b");
        assert_eq!(
            store
                .search_text(&["ships", "cats"], 9, Some(&only))
                .unwrap(),
            keys[1..2]
        );
        store.reset().unwrap();
        assert!(found(&store, "ships").is_empty());
    }

    #[test]
    fn no_word_is_syntax() {
        let (_folder, store) = opened();
        let key = store
            .upsert(&[item("a", "near and not or column text")])
            .unwrap()
            .keys[0];
        store.prepare_text_search().unwrap();
        for word in [
            "\"",
            "*",
            "text:",
            "NEAR(",
            ")",
            "a\" OR \"b",
            "-",
            "^",
            "\0",
            "{text}",
            "",
        ] {
            let found = store.search_text(&[word], 9, None).unwrap();
            assert!(found.len() <= 1, "{word:?}");
        }
        assert_eq!(
            store.search_text(&["NOT", "zebra"], 9, None).unwrap(),
            [key]
        );
    }
}
