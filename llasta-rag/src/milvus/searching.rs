//! Searching items by their vectors, and by the words of their texts.

use std::collections::{HashMap, HashSet};

use milvus::v2::prelude::SearchRequest;
use milvus::v2::{Ids, SearchVectors};

use super::fields::{BM25, KEY, VECTOR};
use super::items::{MOST, among};
use super::link::Operation;
use super::{MilvusError, MilvusItems, facets, words};
use crate::index::{Neighbour, check_vector};
use crate::store::Filter;

impl MilvusItems {
    /// The at most `k` nearest items to each query, best first; equal scores come in the order of their keys.
    ///
    /// # Errors
    ///
    /// A vector of another dimension or with a component that is not finite, more than 16,384 results, or a
    /// failing Milvus.
    pub fn search(
        &self,
        queries: &[&[f32]],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Vec<Neighbour>>, MilvusError> {
        let expression = filter.map(facets::expression).unwrap_or_default();
        self.search_by(queries, k, &expression)
    }

    /// The same of the items under these keys.
    pub(super) fn search_among(
        &self,
        queries: &[&[f32]],
        k: usize,
        keys: &HashSet<u64>,
    ) -> Result<Vec<Vec<Neighbour>>, MilvusError> {
        let keys: Vec<_> = keys.iter().copied().collect();
        self.search_by(queries, k, &among(&keys))
    }

    fn search_by(
        &self,
        queries: &[&[f32]],
        k: usize,
        expression: &str,
    ) -> Result<Vec<Vec<Neighbour>>, MilvusError> {
        for query in queries {
            check_vector(query, self.space().dimension).map_err(MilvusError::Vector)?;
        }
        if queries.is_empty() || k == 0 {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let vectors = queries.iter().map(|query| query.to_vec()).collect();
        let vectors = SearchVectors::Float(vectors);
        let found = self.ask(VECTOR, &vectors, k, expression, &self.search_parameters(k))?;
        if found.len() != queries.len() {
            return Err(odd(format!(
                "{} lists for {} queries",
                found.len(),
                queries.len()
            )));
        }
        Ok(found)
    }

    /// The at most `k` items whose texts have any of these words, best first by BM25; equal scores come in
    /// the order of their keys. What is no word finds nothing.
    ///
    /// # Errors
    ///
    /// As [`check_words`](Self::check_words), more than 16,384 results, or a failing Milvus.
    pub fn search_text(
        &self,
        words: &[&str],
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<Vec<Neighbour>, MilvusError> {
        self.check_words()?;
        let mut words = words::of(words)?;
        words.retain(|word| !word.is_empty());
        if words.is_empty() || k == 0 {
            // Milvus refuses a question without a word.
            return Ok(Vec::new());
        }
        let query = SearchVectors::EmbeddedText(vec![words.join(" ")]);
        let expression = filter.map(facets::expression).unwrap_or_default();
        let mut found = self.ask(BM25, &query, k, &expression, &HashMap::new())?;
        Ok(found.pop().unwrap_or_default())
    }

    /// What Milvus finds, one list for each query.
    fn ask(
        &self,
        field: &str,
        queries: &SearchVectors,
        k: usize,
        expression: &str,
        parameters: &HashMap<String, String>,
    ) -> Result<Vec<Vec<Neighbour>>, MilvusError> {
        let answer = self.link.call(Operation::Search, |client| {
            let (queries, parameters) = (queries.clone(), parameters.clone());
            async move {
                let mut request = SearchRequest::builder()
                    .collection_name(&self.config().collection)
                    .vector_field(field)
                    .vectors(queries)
                    .filter(expression)
                    .output_fields([KEY])
                    .limit(k.min(MOST) as i64)
                    .consistency_level(self.consistency())
                    .extra_params(parameters);
                if let Some(partition) = &self.config().partition {
                    request = request.partition_names([partition]);
                }
                client.search(request.build()?).await
            }
        })?;
        let lists = answer.results().get_results();
        let mut all = Vec::with_capacity(lists.len());
        for list in lists {
            let Ids::Int64(keys) = list.get_ids() else {
                return Err(odd("its keys are no integers".to_owned()));
            };
            let scored = keys.iter().zip(list.get_scores());
            let mut found: Vec<_> = scored
                .map(|(key, score)| Neighbour {
                    id: u64::try_from(*key).unwrap_or(0),
                    score: *score,
                })
                .collect();
            if found.len() == MOST && k > MOST {
                return Err(MilvusError::TooManyResults {
                    asked: k,
                    most: MOST,
                });
            }
            // They come best first, whichever sign their scores have.
            for tied in found.chunk_by_mut(|a, b| a.score.total_cmp(&b.score).is_eq()) {
                tied.sort_unstable_by_key(|neighbour| neighbour.id);
            }
            all.push(found);
        }
        Ok(all)
    }

    /// What the index is told, by its kind.
    fn search_parameters(&self, k: usize) -> HashMap<String, String> {
        let config = self.config();
        let index = self.index_name();
        let nprobe = config.nprobe.filter(|_| index.contains("IVF"));
        // Milvus keeps at least as many candidates as results.
        let ef = config.ef_search.filter(|_| index == "HNSW");
        let pairs = [("nprobe", nprobe), ("ef", ef.map(|ef| ef.max(k.min(MOST))))];
        pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_string())))
            .collect()
    }
}

fn odd(reason: String) -> MilvusError {
    MilvusError::Answer {
        operation: "search",
        reason,
    }
}
