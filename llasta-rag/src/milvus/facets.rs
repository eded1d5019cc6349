//! Metadata and filters as facets.
//!
//! A facet is a digest of one key of the metadata and its value. An item has one for each text, number, true
//! and false right in its metadata, and a filter becomes an expression over these: nothing that a caller
//! says stands in it, so nothing has to be escaped, and a key may be any text. A JSON path of Milvus's can
//! name no key with a quote, a bracket or nothing in it, and some of its servers take 1 for true.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use super::fields::FACETS;
use crate::store::Filter;

/// Characters of a facet: 128 bits in hexadecimal.
pub(super) const LENGTH: usize = 32;

/// Most facets of an item, which is what a Milvus array may hold.
pub(super) const MOST: usize = 4096;

/// The facets of metadata. Only an object has any.
pub(super) fn of(metadata: &Value) -> Vec<String> {
    metadata.as_object().map_or_else(Vec::new, of_object)
}

fn of_object(metadata: &Map<String, Value>) -> Vec<String> {
    let facets = metadata.iter().map(|(key, value)| facet(key, value));
    facets.flatten().collect()
}

/// The items that a filter means, as an expression.
pub(super) fn expression(filter: &Filter) -> String {
    let conditions = filter.keys().iter().map(|(key, values)| {
        let any: Vec<_> = values
            .iter()
            .filter_map(|value| facet(key, value))
            .map(|facet| format!("\"{facet}\""))
            .collect();
        format!("array_contains_any({FACETS}, [{}])", any.join(", "))
    });
    conditions.collect::<Vec<_>>().join(" and ")
}

/// The digest of a key and a value; `None` for a value that nothing is compared with.
fn facet(key: &str, value: &Value) -> Option<String> {
    let mut hash = Sha256::new();
    // With its length before it, no key runs into its value.
    hash.update((key.len() as u64).to_le_bytes());
    hash.update(key);
    match value {
        Value::Bool(yes) => hash.update([b'b', u8::from(*yes)]),
        Value::Number(number) => update_number(&mut hash, number),
        Value::String(text) => {
            hash.update(b"t");
            hash.update(text);
        }
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    }
    let bytes = hash.finalize();
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    Some(digits.take(LENGTH / 2).collect())
}

/// Numbers are compared by their value, however they are written: 1.0 is 1.
fn update_number(hash: &mut Sha256, number: &Number) {
    let real = number.as_f64().unwrap_or(f64::NAN);
    // Both bounds are exact; the upper one is no i64 any more.
    let is_whole = real.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&real);
    match number.as_i64() {
        Some(whole) => update_whole(hash, whole),
        None if is_whole => update_whole(hash, real as i64),
        None => {
            hash.update(b"r");
            hash.update(real.to_bits().to_le_bytes());
        }
    }
}

fn update_whole(hash: &mut Sha256, whole: i64) {
    hash.update(b"i");
    hash.update(whole.to_le_bytes());
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_has_the_facet_of_its_kind_and_its_worth() {
        let of = |value: Value| facet("k", &value);
        assert_eq!(of(json!(1)), of(json!(1.0)));
        assert_eq!(of(json!(-0.0)), of(json!(0)));
        assert_eq!(of(json!(1e15)), of(json!(1_000_000_000_000_000_i64)));
        assert_eq!(of(json!(u64::MAX)), of(json!(1.844_674_407_370_955_2e19)));
        let all = [
            json!(1),
            json!(1.5),
            json!("1"),
            json!(true),
            json!(false),
            json!(0),
            json!(""),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
        ];
        let mut facets: Vec<_> = all.into_iter().map(of).collect();
        facets.sort();
        facets.dedup();
        assert_eq!(facets.len(), 10);
        for nothing in [json!(null), json!([1]), json!({})] {
            assert_eq!(of(nothing), None);
        }
        assert_ne!(facet("ab", &json!("c")), facet("a", &json!("bc")));
    }

    #[test]
    fn an_expression_has_nothing_of_what_a_caller_says() {
        let filter = Filter::any("a\") or key > 0 or (\"", ["x\"y", "z"]);
        let expression = expression(&filter);
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_(), []\"".contains(c);
        assert!(expression.chars().all(allowed), "{expression}");
        assert_eq!(expression.matches('"').count(), 4, "{expression}");
    }
}
