//! The indexes of a collection: of vectors, of facets and of words.

use std::collections::HashMap;

use milvus::v2::error::Error as SdkError;
use milvus::v2::request::index::{
    CreateIndexRequest, CreateIndexRequestBuilder, DescribeIndexRequest,
};
use milvus::v2::{IndexParam, IndexType, MetricType};

use super::fields::{BM25, FACETS, VECTOR};
use super::link::{Link, Operation};
use super::{MilvusError, MilvusIndexKind};

/// Lists of an IVF index, Milvus's own default for the data of one segment.
const LISTS: usize = 1024;

/// The index of the vectors, in Milvus's words.
pub(super) fn of(link: &Link) -> Result<Option<String>, MilvusError> {
    Ok(find(link, VECTOR)?.map(name_of))
}

/// The index of a field.
fn find(link: &Link, field: &str) -> Result<Option<IndexType>, MilvusError> {
    /// Milvus's codes for an index that is not there: the new one and the old one.
    const NO_INDEX: [i32; 2] = [700, 11];
    link.call(Operation::Manage("describe"), |client| async move {
        let request = DescribeIndexRequest::builder()
            .collection_name(&link.config().collection)
            .field_name(field)
            .build()?;
        match client.describe_index(request).await {
            Ok(answer) => {
                let mut all = answer.indexes().iter();
                let index = all.find(|index| index.get_field_name() == field);
                Ok(index.map(milvus::v2::IndexDesc::get_index_type))
            }
            Err(SdkError::Server(said))
                if NO_INDEX.contains(&said.code()) || said.legacy_code() == NO_INDEX[1] =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    })
}

/// Makes the indexes. That of the vectors comes last: where it is, the others are.
pub(super) fn create(link: &Link, with_words: bool) -> Result<(), MilvusError> {
    if with_words {
        let made = link.call(Operation::Manage("create_index"), |client| {
            let words = IndexParam::new()
                .field_name(BM25)
                .index_type(IndexType::SparseInvertedIndex)
                .metric_type(MetricType::Bm25)
                .extra_params(weighing());
            async move { client.create_index(ask(link, words).build()?).await }
        });
        // Another process may have been first.
        if made.is_err() && find(link, BM25)?.is_none() {
            return made;
        }
    }
    let facets = link.call(Operation::Manage("create_index"), |client| {
        let facets = IndexParam::new()
            .field_name(FACETS)
            .index_type(IndexType::Inverted);
        async move { client.create_index(ask(link, facets).build()?).await }
    });
    if let Err(error) = facets {
        tracing::info!(%error, "filters are compared with each item");
    }
    let kind = link.config().index;
    let (of, parameters) = parameters(kind);
    link.call(Operation::Manage("create_index"), |client| {
        let vectors = IndexParam::new()
            .field_name(VECTOR)
            .index_type(of)
            .metric_type(MetricType::Ip)
            .extra_params(parameters.clone());
        async move { client.create_index(ask(link, vectors).build()?).await }
    })?;
    Ok(())
}

/// The numbers of BM25 as FTS5 has them.
fn weighing() -> HashMap<String, String> {
    [("bm25_k1", "1.2"), ("bm25_b", "0.75")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn ask(link: &Link, index: IndexParam) -> CreateIndexRequestBuilder {
    CreateIndexRequest::builder()
        .collection_name(&link.config().collection)
        .index_param(index)
        // Vectors come later, and a search before its index is there looks at each of them.
        .sync(false)
}

/// The client's name for an index, and what Milvus wants to know of it.
fn parameters(kind: MilvusIndexKind) -> (IndexType, HashMap<String, String>) {
    let with = |pairs: &[(&str, usize)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect()
    };
    match kind.name() {
        "FLAT" => (IndexType::Flat, with(&[])),
        "IVF_FLAT" => (IndexType::IvfFlat, with(&[("nlist", LISTS)])),
        "HNSW" => (IndexType::Hnsw, with(&[("M", 32), ("efConstruction", 200)])),
        "SCANN" => (IndexType::Scann, with(&[("nlist", LISTS)])),
        "DISKANN" => (IndexType::DiskAnn, with(&[])),
        "GPU_BRUTE_FORCE" => (IndexType::GpuBruteForce, with(&[])),
        "GPU_IVF_FLAT" => (IndexType::GpuIvfFlat, with(&[("nlist", LISTS)])),
        "GPU_CAGRA" => (
            IndexType::GpuCagra,
            with(&[("intermediate_graph_degree", 128), ("graph_degree", 64)]),
        ),
        _ => (IndexType::AutoIndex, with(&[])),
    }
}

/// Milvus's name for an index; the client's, where that is none of ours.
fn name_of(index: IndexType) -> String {
    let ours = MilvusIndexKind::NAMES
        .iter()
        .filter_map(|name| name.parse().ok())
        .find(|kind| parameters(*kind).0 == index);
    ours.map_or_else(|| format!("{index:?}"), |kind| kind.to_string())
}
