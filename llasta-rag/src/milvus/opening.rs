//! The collection is found, or made.

use std::collections::HashMap;

use milvus::v2::error::Error as SdkError;
use milvus::v2::request::collection::{
    CreateCollectionRequest, DescribeCollectionRequest, GetLoadStateRequest,
};
use milvus::v2::request::index::{
    CreateIndexRequest, CreateIndexRequestBuilder, DescribeIndexRequest,
};
use milvus::v2::request::partition::{CreatePartitionRequest, HasPartitionRequest};
use milvus::v2::{CollectionDesc, ConsistencyLevel, IndexParam, IndexType, LoadState, MetricType};
use serde::{Deserialize, Serialize};

use super::fields::{FACETS, VECTOR, schema};
use super::link::{Link, Operation};
use super::{MilvusError, MilvusIndexKind};
use crate::store::VectorSpace;

/// Where the space is recorded among the collection's properties.
const PROPERTY: &str = "llasta_space";

/// The version of the collection's fields.
const FORMAT: u32 = 1;

/// Lists of an IVF index, Milvus's own default for the data of one segment.
const LISTS: usize = 1024;

/// Milvus's codes for what is not there: the new one and the old one.
const NOT_FOUND: [i32; 2] = [100, 4];

/// What a collection says of itself.
#[derive(Serialize, Deserialize)]
struct Recorded {
    llasta: u32,
    model: String,
    dimension: usize,
}

/// What there is to know of a collection that is open.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) space: VectorSpace,
    /// Its index, in Milvus's words.
    pub(super) index: String,
}

/// Finds the collection, or makes it for this space. Several processes may do so at once.
pub(super) fn open(link: &Link, wanted: &VectorSpace) -> Result<Found, MilvusError> {
    let collection = &link.config().collection;
    let description = match describe(link)? {
        Some(description) => description,
        None => {
            let made = create(link, wanted);
            // Another process may have been first.
            match describe(link)? {
                Some(description) => description,
                None => return Err(made.err().unwrap_or_else(|| missing(link))),
            }
        }
    };
    let recorded = space(link, &description)?;
    if recorded != *wanted {
        return Err(MilvusError::OtherSpace {
            collection: collection.clone(),
            recorded,
            wanted: wanted.clone(),
        });
    }
    finish(link, recorded)
}

/// Finds the collection, whatever its space is.
pub(super) fn open_existing(link: &Link) -> Result<Found, MilvusError> {
    let description = describe(link)?.ok_or_else(|| missing(link))?;
    let recorded = space(link, &description)?;
    finish(link, recorded)
}

/// Makes what else is missing, and takes the collection into memory.
fn finish(link: &Link, space: VectorSpace) -> Result<Found, MilvusError> {
    let index = match index(link)? {
        Some(index) => index,
        None => {
            let made = create_indexes(link);
            match index(link)? {
                Some(index) => index,
                None => return Err(made.err().unwrap_or_else(|| missing(link))),
            }
        }
    };
    let wanted = link.config().index;
    if index != wanted.name() {
        tracing::info!(%index, %wanted, "the collection keeps the index that it was made with");
    }
    if let Some(partition) = &link.config().partition {
        prepare_partition(link, partition)?;
    }
    load(link)?;
    Ok(Found { space, index })
}

fn describe(link: &Link) -> Result<Option<CollectionDesc>, MilvusError> {
    link.call(Operation::Manage("describe"), |client| async move {
        let request = DescribeCollectionRequest::builder()
            .collection_name(&link.config().collection)
            .build()?;
        match client.describe_collection(request).await {
            Ok(answer) => Ok(Some(answer.description().clone())),
            Err(SdkError::Server(said))
                if NOT_FOUND.contains(&said.code()) || said.legacy_code() == NOT_FOUND[1] =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    })
}

fn create(link: &Link, space: &VectorSpace) -> Result<(), MilvusError> {
    let recorded = serde_json::to_string(&Recorded {
        llasta: FORMAT,
        model: space.model.clone(),
        dimension: space.dimension,
    })
    .unwrap_or_default();
    link.call(Operation::Manage("create"), |client| {
        let recorded = recorded.clone();
        async move {
            let request = CreateCollectionRequest::builder()
                .collection_name(&link.config().collection)
                .schema(schema(space.dimension).description(&recorded))
                .consistency_level(ConsistencyLevel::Strong)
                .properties(HashMap::from([(PROPERTY.to_owned(), recorded)]))
                .build()?;
            client.create_collection(request).await.map(|_| ())
        }
    })?;
    tracing::info!(
        collection = link.config().collection,
        to = %space, "made the Milvus collection"
    );
    Ok(())
}

/// What the vectors of a collection were made with.
fn space(link: &Link, description: &CollectionDesc) -> Result<VectorSpace, MilvusError> {
    let collection = &link.config().collection;
    let foreign = |reason: String| MilvusError::Foreign {
        collection: collection.clone(),
        reason,
    };
    let recorded = description
        .get_properties()
        .get(PROPERTY)
        .map_or(description.get_description(), String::as_str);
    let Recorded {
        llasta: format,
        model,
        dimension,
    } = serde_json::from_str(recorded)
        .map_err(|_| foreign("it does not say of which model its vectors are".to_owned()))?;
    if format != FORMAT {
        return Err(foreign(format!(
            "its fields have format {format}, and this version reads {FORMAT}"
        )));
    }
    let has = description.get_schema().get_fields();
    for field in schema(dimension).get_fields() {
        if !has.iter().any(|other| other.get_name() == field.get_name()) {
            return Err(foreign(format!("it has no field {}", field.get_name())));
        }
    }
    Ok(VectorSpace { model, dimension })
}

/// The index of the vectors, in Milvus's words.
fn index(link: &Link) -> Result<Option<String>, MilvusError> {
    /// Milvus's codes for an index that is not there: the new one and the old one.
    const NO_INDEX: [i32; 2] = [700, 11];
    link.call(Operation::Manage("describe"), |client| async move {
        let request = DescribeIndexRequest::builder()
            .collection_name(&link.config().collection)
            .field_name(VECTOR)
            .build()?;
        match client.describe_index(request).await {
            Ok(answer) => {
                let mut all = answer.indexes().iter();
                let index = all.find(|index| index.get_field_name() == VECTOR);
                Ok(index.map(|index| name_of(index.get_index_type())))
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

fn create_indexes(link: &Link) -> Result<(), MilvusError> {
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
    let facets = link.call(Operation::Manage("create_index"), |client| {
        let facets = IndexParam::new()
            .field_name(FACETS)
            .index_type(IndexType::Inverted);
        async move { client.create_index(ask(link, facets).build()?).await }
    });
    if let Err(error) = facets {
        tracing::info!(%error, "filters are compared with each item");
    }
    Ok(())
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

fn prepare_partition(link: &Link, partition: &str) -> Result<(), MilvusError> {
    let is_there = || {
        link.call(Operation::Manage("describe"), |client| async move {
            let request = HasPartitionRequest::builder()
                .collection_name(&link.config().collection)
                .partition_name(partition)
                .build()?;
            Ok(client.has_partition(request).await?.exists())
        })
    };
    if is_there()? {
        return Ok(());
    }
    let made = link.call(Operation::Manage("create"), |client| async move {
        let request = CreatePartitionRequest::builder()
            .collection_name(&link.config().collection)
            .partition_name(partition)
            .build()?;
        client.create_partition(request).await.map(|_| ())
    });
    // Another process may have been first.
    if made.is_err() && !is_there()? {
        return made;
    }
    Ok(())
}

/// Takes the collection into memory, unless it is there: somebody may have asked for several replicas of it.
fn load(link: &Link) -> Result<(), MilvusError> {
    let state = link.call(Operation::Manage("describe"), |client| async move {
        let request = GetLoadStateRequest::builder()
            .collection_name(&link.config().collection)
            .build()?;
        Ok(client.get_load_state(request).await?.state())
    })?;
    if state == LoadState::Loaded {
        return Ok(());
    }
    link.call(Operation::Manage("load"), |_| link.load())
}

fn missing(link: &Link) -> MilvusError {
    MilvusError::NoCollection {
        url: link.config().url.clone(),
        collection: link.config().collection.clone(),
    }
}
