//! What is said to faiss-wrap, and what it holds.

use std::collections::HashMap;

use llasta_rag::api::search::{
    DeleteRequest, DeleteResponse, ItemName, ItemsRequest, ItemsResponse, MOST_ITEMS,
    UpsertRequest, UpsertResponse,
};
use llasta_rag::pipeline::Item;
use llasta_rag::store::Filter;
use reqwest::{Client, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{answer, client};
use crate::cli::failure::Failure;

/// faiss-wrap, as ingestion sees it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    client: Client,
    url: String,
}

/// A chunk that faiss-wrap holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: String,
    pub(super) source: String,
    pub(super) hash: Option<String>,
    pub(super) revision: Option<String>,
    /// How many chunks its file had.
    pub(super) chunks: Option<u64>,
}

impl Held {
    fn of(item: ItemName) -> Self {
        let text = |key: &str| Some(item.metadata.get(key)?.as_str()?.to_owned());
        Self {
            source: text("source").unwrap_or_default(),
            hash: text("hash"),
            revision: text("revision"),
            chunks: item.metadata.get("chunks").and_then(Value::as_u64),
            id: item.id,
        }
    }
}

impl Server {
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        Ok(Self {
            client: client(url)?,
            url: url.to_owned(),
        })
    }

    /// How many items there are; nothing where faiss-wrap is of a version that does not list them.
    pub(super) async fn total(&self) -> Result<Option<usize>, Failure> {
        let body = ItemsRequest {
            filter: None,
            after: 0,
            limit: 1,
        };
        let response = self.send("/items", &body).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let items: ItemsResponse = answer(response).await?;
        Ok(Some(items.total_items))
    }

    /// What it holds of some sources.
    pub(super) async fn of_sources(
        &self,
        sources: Vec<String>,
    ) -> Result<HashMap<String, Vec<Held>>, Failure> {
        let mut held: HashMap<_, Vec<Held>> = HashMap::new();
        for one in self.list(Filter::any("source", sources)).await? {
            held.entry(one.source.clone()).or_default().push(one);
        }
        Ok(held)
    }

    /// What it holds with texts of these hashes.
    pub(super) async fn of_hashes(&self, hashes: &[String]) -> Result<Vec<Held>, Failure> {
        let mut held = Vec::new();
        for some in hashes.chunks(MOST_ITEMS / 2) {
            held.extend(self.list(Filter::any("hash", some)).await?);
        }
        Ok(held)
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Held>, Failure> {
        let mut held = Vec::new();
        let mut body = ItemsRequest {
            filter: Some(filter),
            after: 0,
            limit: MOST_ITEMS,
        };
        loop {
            let page: ItemsResponse = self.post("/items", &body).await?;
            held.extend(page.items.into_iter().map(Held::of));
            match page.next {
                Some(next) => body.after = next,
                None => return Ok(held),
            }
        }
    }

    pub(super) async fn upsert(&self, items: Vec<Item>) -> Result<UpsertResponse, Failure> {
        self.post("/upsert", &UpsertRequest { items }).await
    }

    /// Deletes what a source has beside these.
    pub(super) async fn keep_only(
        &self,
        source: &str,
        keep: Vec<String>,
    ) -> Result<DeleteResponse, Failure> {
        let body = DeleteRequest {
            filter: Some(Filter::one("source", source)),
            keep,
            ..DeleteRequest::default()
        };
        self.post("/delete", &body).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        answer(self.send(path, body).await?).await
    }

    async fn send(&self, path: &str, body: &impl Serialize) -> Result<reqwest::Response, Failure> {
        let url = &self.url;
        let request = self.client.post(format!("{url}{path}")).json(body);
        request.send().await.map_err(|error| {
            Failure::of(
                format!("faiss-wrap cannot be reached at {url} (--faiss-wrap-url)"),
                &error,
            )
        })
    }
}
