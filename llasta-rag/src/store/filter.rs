//! Which items are meant, by their metadata.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::types::Value as SqlValue;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The most values that one filter may name.
const MOST_VALUES: usize = 1000;

/// The keys of the metadata that have an index of their own, with its name. Ingestion asks by them for
/// each file.
const INDEXED: [(&str, &str); 2] = [("source", "items_source"), ("hash", "items_hash")];

/// Items whose metadata is an object that has, under each of these keys, one of these values.
///
/// As JSON it is an object: `{"source": "a.pdf", "page": [1, 2]}`. A value is a text, a number, true or
/// false, or a list of such, of which any may be there. Texts are compared exactly, numbers by their
/// value. Keys are those of the metadata itself and not of objects in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Filter {
    keys: BTreeMap<String, Vec<Value>>,
}

/// Why a filter means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// No object.
    #[error("give an object of metadata keys and values, such as {{\"source\": \"a.pdf\"}}")]
    NoObject,
    /// No key at all.
    #[error("it names no key: give at least one, or leave the filter out")]
    Empty,
    /// A value that nothing can be compared with.
    #[error(
        "the value of {key:?} is {given}: give a text, a number, true or false, or a list of such"
    )]
    Value {
        /// The key.
        key: String,
        /// What stands there.
        given: &'static str,
    },
    /// A list without values.
    #[error("the list of {key:?} is empty, so nothing could match: leave the key out")]
    NoValues {
        /// The key.
        key: String,
    },
    /// More values than a question may have.
    #[error("it names {given} values, at most {MOST_VALUES} can be: ask several times")]
    TooMany {
        /// How many there are.
        given: usize,
    },
}

impl Filter {
    /// The items whose metadata has this value under this key.
    pub fn one(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self::any(key, [value.into()])
    }

    /// The items whose metadata has any of these texts under this key.
    pub fn any<S: Into<String>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = S>,
    ) -> Self {
        let values = values.into_iter().map(|value| Value::String(value.into()));
        Self {
            keys: BTreeMap::from([(key.into(), values.collect())]),
        }
    }

    /// The keys, each with the values of which one must be there.
    #[cfg(feature = "milvus")]
    pub(crate) fn keys(&self) -> &BTreeMap<String, Vec<Value>> {
        &self.keys
    }

    /// The condition on the table `items`, with its parameters added to `parameters`: nothing that a
    /// caller says becomes part of the SQL.
    pub(super) fn condition(&self, parameters: &mut Vec<SqlValue>) -> String {
        let conditions: Vec<_> = self
            .keys
            .iter()
            .map(|(key, values)| condition(key, values, parameters))
            .collect();
        conditions.join(" AND ")
    }
}

/// The statements that make the indexes of [`INDEXED`].
pub(super) fn indexes() -> String {
    let index = |(key, name): (&str, &str)| {
        format!(
            "CREATE INDEX IF NOT EXISTS {name} ON items ({}) WHERE json_valid(metadata);",
            extracted(key)
        )
    };
    INDEXED.into_iter().map(index).collect()
}

/// SQLite uses an index on an expression where the same expression stands in the question.
fn extracted(key: &str) -> String {
    format!("json_extract(metadata, '$.{key}')")
}

fn condition(key: &str, values: &[Value], parameters: &mut Vec<SqlValue>) -> String {
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    let mut types = Vec::new();
    for value in values {
        match value {
            Value::String(text) => texts.push(SqlValue::Text(text.clone())),
            Value::Number(number) => numbers.push(match number.as_i64() {
                Some(whole) => SqlValue::Integer(whole),
                None => SqlValue::Real(number.as_f64().unwrap_or(f64::NAN)),
            }),
            Value::Bool(yes) => types.push(if *yes { "'true'" } else { "'false'" }),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }
    let mut sql = String::new();
    let indexed = INDEXED.iter().any(|(known, _)| *known == key);
    if indexed && texts.len() == values.len() {
        let places = placed(&texts, parameters);
        sql = format!(
            "json_valid(metadata) AND {} IN ({places}) AND ",
            extracted(key)
        );
    }
    let name = placed(&[SqlValue::Text(key.to_owned())], parameters);
    let mut any = Vec::new();
    if !texts.is_empty() {
        let places = placed(&texts, parameters);
        any.push(format!("m.type = 'text' AND m.atom IN ({places})"));
    }
    if !numbers.is_empty() {
        let places = placed(&numbers, parameters);
        any.push(format!(
            "m.type IN ('integer', 'real') AND m.atom IN ({places})"
        ));
    }
    if !types.is_empty() {
        any.push(format!("m.type IN ({})", types.join(", ")));
    }
    sql.push_str(&format!(
        "EXISTS (SELECT 1 FROM json_each(items.metadata) AS m WHERE m.key = {name} AND ({}))",
        any.join(" OR ")
    ));
    sql
}

/// Adds parameters and returns their places in the SQL: `?4, ?5`.
fn placed(values: &[SqlValue], parameters: &mut Vec<SqlValue>) -> String {
    let places = values.iter().map(|value| {
        parameters.push(value.clone());
        format!("?{}", parameters.len())
    });
    places.collect::<Vec<_>>().join(", ")
}

impl TryFrom<Value> for Filter {
    type Error = FilterError;

    fn try_from(value: Value) -> Result<Self, FilterError> {
        let Value::Object(keys) = value else {
            return Err(FilterError::NoObject);
        };
        Self::try_from(keys)
    }
}

impl TryFrom<Map<String, Value>> for Filter {
    type Error = FilterError;

    fn try_from(given: Map<String, Value>) -> Result<Self, FilterError> {
        if given.is_empty() {
            return Err(FilterError::Empty);
        }
        let mut keys = BTreeMap::new();
        let mut total = 0;
        for (key, value) in given {
            let values = match value {
                Value::Array(values) => values,
                one => vec![one],
            };
            if values.is_empty() {
                return Err(FilterError::NoValues { key });
            }
            if let Some(given) = values.iter().find_map(cannot_be_compared) {
                return Err(FilterError::Value { key, given });
            }
            total += values.len();
            keys.insert(key, values);
        }
        if total > MOST_VALUES {
            return Err(FilterError::TooMany { given: total });
        }
        Ok(Self { keys })
    }
}

fn cannot_be_compared(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => Some("null"),
        Value::Array(_) => Some("a list in a list"),
        Value::Object(_) => Some("an object"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Store, StoredItem, VectorSpace};
    use super::*;
    use serde_json::json;

    fn filter(value: Value) -> Filter {
        Filter::try_from(value).unwrap()
    }

    fn holding(metadata: &[Value]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let model = "m".to_owned();
        store
            .claim(&VectorSpace {
                model,
                dimension: 1,
            })
            .unwrap();
        let items: Vec<_> = metadata
            .iter()
            .enumerate()
            .map(|(at, metadata)| StoredItem {
                id: at.to_string(),
                text: "t".to_owned(),
                metadata: metadata.clone(),
                vector: vec![1.0],
            })
            .collect();
        store.upsert(&items).unwrap();
        (folder, store)
    }

    fn found(store: &Store, wanted: Value) -> Vec<String> {
        let named = store.list(Some(&filter(wanted)), 0, 100).unwrap();
        named.into_iter().map(|named| named.id).collect()
    }

    #[test]
    fn a_value_matches_its_own_kind_and_nothing_that_only_looks_like_it() {
        let (_folder, store) = holding(&[
            json!({"source": "a.pdf", "page": 1}),
            json!({"source": "a.pdf", "page": "1"}),
            json!({"source": "b.pdf", "page": 1.0}),
            json!({"source": true, "page": 2}),
            json!({"source": 1, "page": [1]}),
            json!(["a.pdf"]),
            json!("a.pdf"),
            json!(null),
            json!({"0": "a.pdf", "inner": {"source": "a.pdf"}}),
        ]);
        for (wanted, expected) in [
            (json!({"source": "a.pdf"}), &["0", "1"][..]),
            (json!({"source": "A.pdf"}), &[]),
            (json!({"page": 1}), &["0", "2"]),
            (json!({"page": "1"}), &["1"]),
            (json!({"page": [2, "1", 7]}), &["1", "3"]),
            (json!({"source": true}), &["3"]),
            (json!({"source": false}), &[]),
            (json!({"source": 1}), &["4"]),
            (json!({"source": ["a.pdf", true]}), &["0", "1", "3"]),
            (json!({"source": "a.pdf", "page": 1}), &["0"]),
            (json!({"0": "a.pdf"}), &["8"]),
            (json!({"inner": "a.pdf"}), &[]),
        ] {
            assert_eq!(found(&store, wanted.clone()), expected, "{wanted}");
        }
    }

    #[test]
    fn no_key_and_no_value_is_read_as_sql_or_as_a_path() {
        let strange = [
            "a') OR 1=1 --",
            "$.source",
            "a\"b",
            "a\\b",
            "a.b",
            "a[0]",
            "",
            "'",
            "é\u{0}\n",
        ];
        let metadata: Vec<_> = strange.iter().map(|key| json!({ *key: *key })).collect();
        let (_folder, store) = holding(&metadata);
        for (at, key) in strange.iter().enumerate() {
            assert_eq!(
                found(&store, json!({ *key: *key })),
                [at.to_string()],
                "{key:?}"
            );
            assert!(
                found(&store, json!({ "source": *key })).is_empty(),
                "{key:?}"
            );
        }
    }

    #[test]
    fn a_filter_that_means_nothing_says_what_to_do() {
        for (value, says) in [
            (json!([]), "give an object"),
            (json!("a"), "give an object"),
            (json!({}), "at least one"),
            (json!({"a": null}), "null"),
            (json!({"a": {"b": 1}}), "an object"),
            (json!({"a": [[1]]}), "a list in a list"),
            (json!({"a": []}), "leave the key out"),
            (json!({"a": vec![1; 1001]}), "at most 1000"),
        ] {
            let error = Filter::try_from(value.clone()).unwrap_err().to_string();
            assert!(error.contains(says), "{value}: {error}");
        }
    }

    #[test]
    fn a_source_is_found_without_looking_at_every_item() {
        let (_folder, store) = holding(&[json!({"source": "a"})]);
        let mut parameters = Vec::new();
        let condition = Filter::any("source", ["a", "b"]).condition(&mut parameters);
        let sql = format!("EXPLAIN QUERY PLAN SELECT key FROM items WHERE {condition}");
        let plan: String = store
            .read(|transaction| {
                let mut explain = transaction.prepare(&sql)?;
                let plan: Vec<String> = explain
                    .query_map(rusqlite::params_from_iter(&parameters), |row| row.get(3))?
                    .collect::<Result<_, _>>()?;
                Ok(plan.join("; "))
            })
            .unwrap();
        assert!(plan.contains("USING INDEX items_source"), "{plan}");
    }
}
