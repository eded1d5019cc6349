//! An item as the fields of a Milvus collection, and back.

use milvus::v2::{
    CollectionSchema, DataType, FieldData, FieldSchema, Function, FunctionType,
    QueryResults as SdkResults,
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{MilvusError, facets};
use crate::index::check_vector;
use crate::store::StoredItem;

pub(super) const KEY: &str = "key";
pub(super) const ID: &str = "id";
pub(super) const TEXT: &str = "text";
pub(super) const METADATA: &str = "metadata";
pub(super) const FACETS: &str = "facets";
pub(super) const VECTOR: &str = "vector";
pub(super) const WORDS: &str = "words";
pub(super) const BM25: &str = "bm25";

/// Most bytes of a text, and of metadata as JSON.
pub(super) const MOST_TEXT: usize = 65_535;
const MOST_JSON: usize = 65_536;

/// The fields of every collection.
pub(super) fn schema(dimension: usize) -> CollectionSchema {
    let field = |name: &str, kind| FieldSchema::new().name(name).data_type(kind);
    let text = |name| field(name, DataType::VarChar).max_length(MOST_TEXT as u32);
    CollectionSchema::new()
        .enable_dynamic_field(false)
        .add_field(field(KEY, DataType::Int64).primary_key(true))
        .add_field(text(ID))
        .add_field(text(TEXT))
        .add_field(field(METADATA, DataType::Json))
        .add_field(
            field(FACETS, DataType::Array)
                .element_type(DataType::VarChar)
                .max_capacity(facets::MOST as u32)
                .max_length(facets::LENGTH as u32),
        )
        .add_field(
            field(VECTOR, DataType::FloatVector).dimension(u32::try_from(dimension).unwrap_or(0)),
        )
}

/// The fields of a collection whose items are found by their words too.
pub(super) fn schema_with_words(dimension: usize) -> CollectionSchema {
    let words = FieldSchema::new()
        .name(WORDS)
        .data_type(DataType::VarChar)
        .max_length(MOST_TEXT as u32)
        .enable_analyzer(true)
        // The words stand between spaces; nothing is to be done to them.
        .analyzer_params(json!({"tokenizer": "standard"}));
    let weights = FieldSchema::new()
        .name(BM25)
        .data_type(DataType::SparseFloatVector);
    let weigh = Function::new()
        .name(BM25)
        .function_type(FunctionType::Bm25)
        .input_fields([WORDS])
        .output_fields([BM25]);
    schema(dimension)
        .add_field(words)
        .add_field(weights)
        .add_function(weigh)
}

/// The place of an id: the first 63 bits of its SHA-256. Lists begin behind 0, so nothing is there.
pub(super) fn key_of(id: &str) -> u64 {
    let digest = Sha256::digest(id);
    let (first, _) = digest.split_at(8);
    let number = first
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (number >> 1).max(1)
}

/// Milvus's integers have a sign; keys have 63 bits.
pub(super) fn signed(key: u64) -> i64 {
    i64::try_from(key).unwrap_or(i64::MAX)
}

/// Whether Milvus takes an item.
pub(super) fn check(item: &StoredItem, dimension: usize) -> Result<(), MilvusError> {
    check_vector(&item.vector, dimension).map_err(MilvusError::Vector)?;
    let metadata = item.metadata.to_string();
    for (what, bytes, most) in [
        ("id", item.id.len(), MOST_TEXT),
        ("text", item.text.len(), MOST_TEXT),
        ("metadata", metadata.len(), MOST_JSON),
    ] {
        if bytes > most {
            return Err(MilvusError::TooLong {
                id: item.id.chars().take(100).collect(),
                what,
                bytes,
                most,
            });
        }
    }
    let given = facets::of(&item.metadata).len();
    if given > facets::MOST {
        return Err(MilvusError::TooManyKeys {
            id: item.id.chars().take(100).collect(),
            given,
            most: facets::MOST,
        });
    }
    Ok(())
}

/// Roughly the bytes that an item takes in a call.
pub(super) fn weight(item: &StoredItem) -> usize {
    let facets = facets::of(&item.metadata).len() * facets::LENGTH;
    let vector = item.vector.len() * size_of::<f32>();
    // Its words are hardly longer than it.
    let text = 2 * item.text.len();
    // What a field costs beside what is in it.
    let rest = 64;
    item.id.len() + text + item.metadata.to_string().len() + facets + vector + rest
}

/// Items as columns, under these keys, with their words where the collection has them.
pub(super) fn columns(
    keys: &[u64],
    items: &[StoredItem],
    words: Option<&[String]>,
) -> Vec<FieldData> {
    let texts =
        |of: fn(&StoredItem) -> &str| items.iter().map(|item| of(item).to_owned()).collect();
    let metadata = |item: &StoredItem| object_of(&item.metadata);
    let vectors = items.iter().map(|item| item.vector.clone());
    let mut columns = vec![
        FieldData::int64(KEY, keys.iter().map(|key| signed(*key)).collect()),
        FieldData::varchar(ID, texts(|item| &item.id)),
        FieldData::varchar(TEXT, texts(|item| &item.text)),
        FieldData::json(METADATA, items.iter().map(metadata).collect()),
        FieldData::array_varchar(
            FACETS,
            items
                .iter()
                .map(|item| facets::of(&item.metadata))
                .collect(),
        ),
        FieldData::float_vector(VECTOR, vectors.collect()),
    ];
    columns.extend(words.map(|words| FieldData::varchar(WORDS, words.to_vec())));
    columns
}

/// Metadata as the object that Milvus's filters and tools expect. What is none stands in one, under an empty
/// key, and so does an object that looks like that.
fn object_of(metadata: &Value) -> Value {
    match metadata {
        Value::Object(map) if !is_wrapped(map) => metadata.clone(),
        other => Value::Object(Map::from_iter([(String::new(), other.clone())])),
    }
}

fn is_wrapped(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.contains_key("")
}

fn metadata_of(stored: &Value) -> Value {
    match stored {
        Value::Object(map) if is_wrapped(map) => map.get("").cloned().unwrap_or_default(),
        other => other.clone(),
    }
}

/// The rows of an answer.
pub(super) struct Rows<'a> {
    results: &'a SdkResults,
    keys: &'a [i64],
}

impl<'a> Rows<'a> {
    pub(super) fn of(results: &'a SdkResults) -> Result<Self, MilvusError> {
        let keys = column(results, KEY, FieldData::as_int64)?;
        Ok(Self { results, keys })
    }

    /// Their keys, in the order of the rows.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + 'a {
        self.keys.iter().map(|key| u64::try_from(*key).unwrap_or(0))
    }

    pub(super) fn ids(&self) -> Result<&'a [String], MilvusError> {
        self.whole(ID, column(self.results, ID, FieldData::as_varchar)?)
    }

    pub(super) fn texts(&self) -> Result<&'a [String], MilvusError> {
        self.whole(TEXT, column(self.results, TEXT, FieldData::as_varchar)?)
    }

    pub(super) fn metadata(&self) -> Result<Vec<Value>, MilvusError> {
        let stored = column(self.results, METADATA, FieldData::as_json)?;
        Ok(self
            .whole(METADATA, stored)?
            .iter()
            .map(metadata_of)
            .collect())
    }

    pub(super) fn vectors(&self) -> Result<&'a [Vec<f32>], MilvusError> {
        let vectors = column(self.results, VECTOR, FieldData::as_float_vectors)?;
        self.whole(VECTOR, vectors)
    }

    fn whole<T>(&self, name: &str, column: &'a [T]) -> Result<&'a [T], MilvusError> {
        if column.len() == self.keys.len() {
            return Ok(column);
        }
        Err(answer(format!(
            "{} keys and {} of {name}",
            self.keys.len(),
            column.len()
        )))
    }
}

fn column<'a, T>(
    results: &'a SdkResults,
    name: &str,
    read: fn(&'a FieldData) -> Option<&'a [T]>,
) -> Result<&'a [T], MilvusError> {
    results
        .get_output_field(name)
        .and_then(read)
        .ok_or_else(|| answer(format!("the field {name} is missing")))
}

/// How many rows there are, of an answer to `count(*)`.
pub(super) fn count(results: &SdkResults) -> Result<usize, MilvusError> {
    let counts = column(results, COUNT, FieldData::as_int64)?;
    counts
        .first()
        .and_then(|count| usize::try_from(*count).ok())
        .ok_or_else(|| answer("the count is no number".to_owned()))
}

/// What a count is asked by.
pub(super) const COUNT: &str = "count(*)";

fn answer(reason: String) -> MilvusError {
    MilvusError::Answer {
        operation: "query",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_metadata_comes_back_as_it_was() {
        for metadata in [
            json!({}),
            json!({"a": 1}),
            json!(null),
            json!([1, {}]),
            json!("text"),
            json!(1.5),
            json!({"": 1}),
            json!({"": {"": null}}),
            json!({"": 1, "a": 2}),
        ] {
            let stored = object_of(&metadata);
            assert!(stored.is_object(), "{stored}");
            assert_eq!(metadata_of(&stored), metadata);
        }
    }

    #[test]
    fn a_key_is_the_beginning_of_the_digest_without_a_sign() {
        // The SHA-256 of nothing begins with e3b0c44298fc1c14.
        assert_eq!(key_of(""), 0xe3b0_c442_98fc_1c14 >> 1);
        assert!(i64::try_from(key_of("a")).is_ok());
        assert_ne!(key_of("a"), key_of("b"));
    }

    #[test]
    fn what_is_too_long_is_named_with_its_limit() {
        let item = |id: &str, text: &str, metadata: Value| StoredItem {
            id: id.to_owned(),
            text: text.to_owned(),
            metadata,
            vector: vec![1.0],
        };
        let many: Map<_, _> = (0..4097).map(|at| (at.to_string(), json!(at))).collect();
        check(&item("a", &"é".repeat(32_767), json!({})), 1).unwrap();
        for (bad, says) in [
            (
                item("a", &"é".repeat(32_768), json!({})),
                "65536 bytes and Milvus takes 65535",
            ),
            (item(&"a".repeat(65_536), "t", json!({})), "the id of item"),
            (
                item("a", "t", json!({"a": "b".repeat(65_536)})),
                "the metadata of item",
            ),
            (item("a", "t", Value::Object(many)), "4097 keys"),
        ] {
            let refusal = check(&bad, 1).unwrap_err().to_string();
            assert!(refusal.contains(says) && refusal.len() < 400, "{refusal}");
        }
        let mut other = item("a", "t", json!({}));
        other.vector.push(0.0);
        assert!(matches!(check(&other, 1), Err(MilvusError::Vector(_))));
    }
}
