//! Reading items, and counting them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use milvus::v2::prelude::QueryRequest;
use milvus::v2::request::dql::QueryRequestBuilder;
use milvus::v2::{ConsistencyLevel, QueryResults};

use super::fields::{self, COUNT, ID, KEY, METADATA, Rows, TEXT, VECTOR, signed};
use super::items::{MOST, among};
use super::link::Operation;
use super::{Consistency, MilvusError, MilvusItems, facets};
use crate::store::{Filter, Named, Row, StoredItem};

impl MilvusItems {
    /// The items with these keys, in this order. A key without an item is passed over.
    ///
    /// # Errors
    ///
    /// A failing Milvus.
    pub fn get(&self, keys: &[u64]) -> Result<Vec<Row>, MilvusError> {
        let found = self.in_parts(keys, self.rows(), |keys| {
            let fields = [KEY, ID, TEXT, METADATA];
            let results = self.query(&among(keys), &fields, None, self.consistency())?;
            let rows = Rows::of(&results)?;
            let parts = rows.ids()?.iter().zip(rows.texts()?).zip(rows.metadata()?);
            let row = |(key, ((id, text), metadata)): (u64, ((&String, &String), _))| Row {
                key,
                id: id.clone(),
                text: text.clone(),
                metadata,
            };
            Ok(rows.keys().zip(parts).map(row).collect())
        })?;
        let mut found: HashMap<_, _> = found.into_iter().map(|row| (row.key, row)).collect();
        Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
    }

    /// The vectors under these keys, in this order. A key without an item is passed over.
    ///
    /// # Errors
    ///
    /// A failing Milvus.
    pub fn vectors(&self, keys: &[u64]) -> Result<Vec<(u64, Vec<f32>)>, MilvusError> {
        let found = self.in_parts(keys, self.rows(), |keys| {
            let results = self.query(&among(keys), &[KEY, VECTOR], None, self.consistency())?;
            let rows = Rows::of(&results)?;
            Ok(rows.keys().zip(rows.vectors()?.iter().cloned()).collect())
        })?;
        let mut found: HashMap<_, _> = found.into_iter().collect();
        let taken = |key: &u64| found.remove(key).map(|vector| (*key, vector));
        Ok(keys.iter().filter_map(taken).collect())
    }

    /// The next at most `limit` items after a key, in the order of their keys, of those that a filter means.
    ///
    /// # Errors
    ///
    /// A failing Milvus.
    pub fn list(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Named>, MilvusError> {
        let mut named = Vec::new();
        while named.len() < limit {
            let last = named.last().map_or(after, |named: &Named| named.key);
            let asked = limit - named.len();
            let results = self.page_that_fits(filter, last, asked, &[KEY, ID, METADATA])?;
            let rows = Rows::of(&results)?;
            let parts = rows.ids()?.iter().zip(rows.metadata()?);
            let found = rows.keys().zip(parts);
            let before = named.len();
            named.extend(found.map(|(key, (id, metadata))| Named {
                key,
                id: id.clone(),
                metadata,
            }));
            if named.len() == before {
                break;
            }
            named[before..].sort_unstable_by_key(|named| named.key);
        }
        Ok(named)
    }

    /// The next at most `limit` items after a key with everything there is of them, in the order of their
    /// keys; begin after 0, end at an empty list.
    ///
    /// # Errors
    ///
    /// A failing Milvus.
    pub fn items_after(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StoredItem)>, MilvusError> {
        let fields = [KEY, ID, TEXT, METADATA, VECTOR];
        let results = self.page_that_fits(None, after, limit, &fields)?;
        let rows = Rows::of(&results)?;
        let (ids, texts) = (rows.ids()?, rows.texts()?);
        let parts = ids
            .iter()
            .zip(texts)
            .zip(rows.metadata()?)
            .zip(rows.vectors()?);
        let item =
            |(((id, text), metadata), vector): (((&String, &String), _), &Vec<f32>)| StoredItem {
                id: id.clone(),
                text: text.clone(),
                metadata,
                vector: vector.clone(),
            };
        let mut items: Vec<_> = rows.keys().zip(parts.map(item)).collect();
        items.sort_unstable_by_key(|(key, _)| *key);
        Ok(items)
    }

    /// How many items there are.
    ///
    /// # Errors
    ///
    /// A failing Milvus.
    pub fn count(&self) -> Result<usize, MilvusError> {
        let results = self.query("", &[COUNT], None, self.consistency())?;
        let count = fields::count(&results)?;
        self.known.count.store(count, Ordering::Relaxed);
        Ok(count)
    }

    /// How many items there were when that was asked last: at each upsert, deletion and question about the
    /// health, and after each call of this, which asks in the background.
    pub fn known_count(&self) -> usize {
        let known = Arc::clone(&self.known);
        if !known.asking.swap(true, Ordering::Relaxed) {
            let (client, request) = (
                self.link.client().clone(),
                self.query_request("", &[COUNT], None, self.consistency()),
            );
            self.link.runtime().spawn(async move {
                if let Ok(request) = request.build()
                    && let Ok(answer) = client.query(request).await
                    && let Ok(count) = fields::count(answer.results())
                {
                    known.count.store(count, Ordering::Relaxed);
                }
                known.asking.store(false, Ordering::Relaxed);
            });
        }
        self.last_count()
    }

    /// How many items there were when that was asked last.
    pub(super) fn last_count(&self) -> usize {
        self.known.count.load(Ordering::Relaxed)
    }

    /// How many whole rows are asked for at a time.
    fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// What is read of some keys, in as many calls as the answers need.
    pub(super) fn in_parts<T>(
        &self,
        keys: &[u64],
        mut most: usize,
        read: impl Fn(&[u64]) -> Result<Vec<T>, MilvusError>,
    ) -> Result<Vec<T>, MilvusError> {
        let mut all = Vec::with_capacity(keys.len());
        let mut rest = keys;
        while !rest.is_empty() {
            let part = rest.len().min(most);
            match read(&rest[..part]) {
                Err(MilvusError::AnswerTooLarge { .. }) if part > 1 => {
                    most = part / 2;
                    self.rows.fetch_min(most, Ordering::Relaxed);
                }
                found => {
                    all.extend(found?);
                    rest = &rest[part..];
                }
            }
        }
        Ok(all)
    }

    /// The next rows after a key, at most `limit` and as many as an answer takes.
    fn page_that_fits(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
        fields: &[&str],
    ) -> Result<QueryResults, MilvusError> {
        loop {
            let asked = limit.min(self.rows());
            match self.page(filter, after, asked, fields, self.consistency()) {
                Err(MilvusError::AnswerTooLarge { .. }) if asked > 1 => {
                    self.rows.fetch_min(asked / 2, Ordering::Relaxed);
                }
                page => return page,
            }
        }
    }

    /// The next rows after a key, the smallest keys first.
    pub(super) fn page(
        &self,
        filter: Option<&Filter>,
        after: u64,
        limit: usize,
        fields: &[&str],
        level: ConsistencyLevel,
    ) -> Result<QueryResults, MilvusError> {
        let mut expression = format!("{KEY} > {}", signed(after));
        if let Some(filter) = filter {
            expression.push_str(" and ");
            expression.push_str(&facets::expression(filter));
        }
        self.query(&expression, fields, Some(limit), level)
    }

    pub(super) fn query(
        &self,
        expression: &str,
        fields: &[&str],
        limit: Option<usize>,
        level: ConsistencyLevel,
    ) -> Result<QueryResults, MilvusError> {
        let answer = self.link.call(Operation::Query, |client| {
            let request = self.query_request(expression, fields, limit, level);
            async move { client.query(request.build()?).await }
        })?;
        Ok(answer.results().clone())
    }

    pub(super) fn query_request(
        &self,
        expression: &str,
        fields: &[&str],
        limit: Option<usize>,
        level: ConsistencyLevel,
    ) -> QueryRequestBuilder {
        let mut request = QueryRequest::builder()
            .collection_name(&self.config().collection)
            .filter(expression)
            .output_fields(fields.iter().copied())
            .consistency_level(level);
        if let Some(partition) = &self.config().partition {
            request = request.partition_names([partition]);
        }
        if let Some(limit) = limit {
            // As the client's own iterator asks: without it a page is of any keys, not the smallest.
            let iterate = ("iterator".to_owned(), "True".to_owned());
            request = request
                .limit(limit.min(MOST) as i64)
                .extra_params(HashMap::from([iterate]));
        }
        request
    }

    pub(super) fn consistency(&self) -> ConsistencyLevel {
        match self.config().consistency {
            Consistency::Strong => ConsistencyLevel::Strong,
            Consistency::Bounded => ConsistencyLevel::Bounded,
            Consistency::Session => ConsistencyLevel::Session,
            Consistency::Eventually => ConsistencyLevel::Eventually,
        }
    }
}
