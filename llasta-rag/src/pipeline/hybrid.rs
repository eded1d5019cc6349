//! Search by meaning and search by words, as one.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Collection, CollectionError};
use crate::embed::words::is_stop;
use crate::index::Neighbour;
use crate::store::Filter;

/// How items are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retrieval {
    /// By their vectors.
    #[default]
    Dense,
    /// By their vectors and by their words.
    Hybrid,
}

impl Retrieval {
    const NAMES: [(&'static str, Self); 2] = [("dense", Self::Dense), ("hybrid", Self::Hybrid)];
}

impl fmt::Display for Retrieval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, kind)| kind == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl FromStr for Retrieval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text);
        known
            .map(|(_, kind)| *kind)
            .ok_or_else(|| "give dense or hybrid".to_owned())
    }
}

/// How many results of each kind are looked at, at least.
pub const DEPTH: usize = 100;

/// How much less the first place counts than it would by itself; 60 is the value of the paper.
const RANK_OFFSET: f64 = 60.0;

/// The most different words of a query that are searched for.
const MOST_TERMS: usize = 64;

/// The words of a query that say something, each once; all of them where none does.
pub fn terms(query: &str) -> Vec<&str> {
    let words = || {
        query
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
    };
    let mut seen = HashSet::new();
    let mut telling: Vec<_> = words()
        .filter(|word| {
            let lower = word.to_lowercase();
            !is_stop(&lower) && seen.insert(lower)
        })
        .collect();
    if telling.is_empty() {
        telling = words()
            .filter(|word| seen.insert(word.to_lowercase()))
            .collect();
    }
    telling.truncate(MOST_TERMS);
    telling
}

/// Several lists, each best first, as one: what stands high in any of them, and higher what stands in
/// several. Equal ones come in the order in which the lists have them.
///
/// Each place counts 1 / (60 + rank), ranks from 1: reciprocal rank fusion, Cormack, Clarke and Büttcher,
/// SIGIR 2009.
pub fn fuse(lists: &[&[u64]]) -> Vec<u64> {
    let mut order = Vec::new();
    let mut scores: HashMap<u64, f64> = HashMap::new();
    for list in lists {
        for (place, &key) in list.iter().enumerate() {
            let score = scores.entry(key).or_insert_with(|| {
                order.push(key);
                0.0
            });
            *score += 1.0 / (RANK_OFFSET + 1.0 + place as f64);
        }
    }
    order.sort_by(|a, b| scores[b].total_cmp(&scores[a]));
    order
}

impl Collection {
    /// Makes the index of words, unless it is there: see
    /// [`Store::prepare_text_search`](crate::store::Store::prepare_text_search).
    ///
    /// # Errors
    ///
    /// A shelf that cannot search by words, or a failing store.
    pub fn prepare_text_search(&self) -> Result<(), CollectionError> {
        self.shelf().prepare_text_search()
    }

    /// The keys of the at most `k` items with any of these words, best first.
    ///
    /// # Errors
    ///
    /// A shelf that cannot search by words, or a failing store.
    pub fn search_text(
        &self,
        words: &[&str],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<u64>, CollectionError> {
        self.shelf().search_text(words, k, filter)
    }

    /// The at most `k` best of both lists in their fused order, each with its similarity to the query, and
    /// how many different ones there were.
    ///
    /// # Errors
    ///
    /// A failing store.
    pub fn fuse(
        &self,
        query: &[f32],
        dense: &[Neighbour],
        text: &[u64],
        k: usize,
    ) -> Result<(Vec<Neighbour>, usize), CollectionError> {
        let mut scores: HashMap<_, _> = dense
            .iter()
            .map(|neighbour| (neighbour.id, neighbour.score))
            .collect();
        let dense: Vec<_> = dense.iter().map(|neighbour| neighbour.id).collect();
        let mut fused = fuse(&[&dense, text]);
        let all = fused.len();
        fused.truncate(k);
        let unknown: Vec<_> = fused
            .iter()
            .copied()
            .filter(|key| !scores.contains_key(key))
            .collect();
        for (key, vector) in self.shelf().vectors(&unknown)? {
            let score = vector.iter().zip(query).map(|(a, b)| a * b).sum();
            scores.insert(key, score);
        }
        // What was deleted meanwhile has no score.
        let scored = fused.into_iter().filter_map(|id| {
            let score = *scores.get(&id)?;
            Some(Neighbour { id, score })
        });
        Ok((scored.collect(), all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_both_lists_goes_before_what_is_first_in_one() {
        assert_eq!(fuse(&[&[1, 2, 3], &[4, 2, 5]]), [2, 1, 4, 3, 5]);
        assert_eq!(fuse(&[&[], &[7, 8]]), [7, 8]);
        assert!(fuse(&[&[], &[]]).is_empty());
    }

    #[test]
    fn terms_are_words_that_say_something_each_once() {
        assert_eq!(
            terms("What is the \"port\" of the collector (Port 4317)?"),
            ["port", "collector", "4317"]
        );
        assert_eq!(terms("What is the?"), ["What", "is", "the"]);
        assert!(terms(" -- \"* ").is_empty());
        assert_eq!(terms("größe Ärger"), ["größe", "Ärger"]);
    }

    #[test]
    fn a_kind_is_read_by_its_name_alone() {
        assert_eq!("hybrid".parse(), Ok(Retrieval::Hybrid));
        assert_eq!(Retrieval::Dense.to_string(), "dense");
        assert!("Hybrid".parse::<Retrieval>().is_err());
    }
}
