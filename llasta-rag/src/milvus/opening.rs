//! The collection is found, or made.

use std::collections::HashMap;

use milvus::v2::error::Error as SdkError;
use milvus::v2::request::collection::{
    CreateCollectionRequest, DescribeCollectionRequest, GetLoadStateRequest,
};
use milvus::v2::request::partition::{CreatePartitionRequest, HasPartitionRequest};
use milvus::v2::{CollectionDesc, ConsistencyLevel, FunctionType, LoadState};
use serde::{Deserialize, Serialize};

use super::fields::{schema, schema_with_words};
use super::link::{Link, Operation};
use super::{MilvusError, indexing};
use crate::store::VectorSpace;

/// Where the space is recorded among the collection's properties.
const PROPERTY: &str = "llasta_space";

/// The version of the fields of a collection that is made, and the one before, which has no words.
const FORMAT: u32 = 2;
const WITHOUT_WORDS: u32 = 1;

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
    /// Whether it has the words of its texts.
    pub(super) words: bool,
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
    let (recorded, words) = space(link, &description)?;
    if recorded != *wanted {
        return Err(MilvusError::OtherSpace {
            collection: collection.clone(),
            recorded,
            wanted: wanted.clone(),
        });
    }
    finish(link, recorded, words)
}

/// Finds the collection, whatever its space is.
pub(super) fn open_existing(link: &Link) -> Result<Found, MilvusError> {
    let description = describe(link)?.ok_or_else(|| missing(link))?;
    let (recorded, words) = space(link, &description)?;
    finish(link, recorded, words)
}

/// Makes what else is missing, and takes the collection into memory.
fn finish(link: &Link, space: VectorSpace, words: bool) -> Result<Found, MilvusError> {
    let index = match indexing::of(link)? {
        Some(index) => index,
        None => {
            let made = indexing::create(link, words);
            match indexing::of(link)? {
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
    Ok(Found {
        space,
        index,
        words,
    })
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
                .schema(schema_with_words(space.dimension).description(&recorded))
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

/// What the vectors of a collection were made with, and whether it has the words of its texts.
fn space(link: &Link, description: &CollectionDesc) -> Result<(VectorSpace, bool), MilvusError> {
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
    let (words, expected) = match format {
        FORMAT => (true, schema_with_words(dimension)),
        WITHOUT_WORDS => (false, schema(dimension)),
        _ => {
            return Err(foreign(format!(
                "its fields have format {format}, and this version reads {WITHOUT_WORDS} and {FORMAT}"
            )));
        }
    };
    let has = description.get_schema();
    for field in expected.get_fields() {
        let mut all = has.get_fields().iter();
        if !all.any(|other| other.get_name() == field.get_name()) {
            return Err(foreign(format!("it has no field {}", field.get_name())));
        }
    }
    // An older Milvus does not know what it was told, and says nothing.
    let mut functions = has.get_functions().iter();
    if words && !functions.any(|function| function.get_function_type() == FunctionType::Bm25) {
        return Err(MilvusError::Answer {
            operation: "create",
            reason: format!("the collection {collection} has no BM25"),
        });
    }
    Ok((VectorSpace { model, dimension }, words))
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
