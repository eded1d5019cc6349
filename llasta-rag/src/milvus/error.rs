//! What can go wrong with Milvus, and what to do about it.

use super::MilvusUrl;
use crate::index::IndexError;
use crate::store::VectorSpace;

/// Why Milvus, or what speaks with it, refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MilvusError {
    /// Nobody answered, or not in time. It may be otherwise the next time.
    #[error(
        "Milvus at {url} cannot be reached: {message}; check --milvus-url (MILVUS_URL), the network and the cluster, or give it more time with --milvus-timeout (MILVUS_TIMEOUT)"
    )]
    Unreachable {
        /// Where it should be.
        url: MilvusUrl,
        /// What happened instead.
        message: String,
    },
    /// Milvus said no.
    #[error("Milvus refused to {operation}: {message}")]
    Refused {
        /// What was asked of it.
        operation: &'static str,
        /// Its code for the reason, 0 where it gave none.
        code: i32,
        /// The reason in its words.
        message: String,
    },
    /// Vectors of another model than the one wanted.
    #[error(
        "the vectors of the Milvus collection {collection} were made by {recorded}, not by {wanted}: start with the recorded model, or choose another collection with --milvus-collection (MILVUS_COLLECTION)"
    )]
    OtherSpace {
        /// The collection.
        collection: String,
        /// What made its vectors.
        recorded: VectorSpace,
        /// What was asked for.
        wanted: VectorSpace,
    },
    /// A collection that holds something else.
    #[error(
        "the Milvus collection {collection} was not made by llasta ({reason}): choose another with --milvus-collection (MILVUS_COLLECTION); it is made when it is missing"
    )]
    Foreign {
        /// The collection.
        collection: String,
        /// What it lacks.
        reason: String,
    },
    /// A collection that is not there.
    #[error("there is no Milvus collection {collection} at {url}")]
    NoCollection {
        /// Where it was looked for.
        url: MilvusUrl,
        /// The collection.
        collection: String,
    },
    /// A part of an item that is longer than Milvus takes.
    #[error(
        "the {what} of item {id:?} has {bytes} bytes and Milvus takes {most}: make it shorter; nothing was written"
    )]
    TooLong {
        /// The item, by the first 100 characters of its id.
        id: String,
        /// Which part.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// An item with more metadata than Milvus takes.
    #[error(
        "the metadata of item {id:?} has {given} keys with a text, a number, true or false, and at most {most} can be: nest some of them; nothing was written"
    )]
    TooManyKeys {
        /// The item.
        id: String,
        /// How many there are.
        given: usize,
        /// How many there may be.
        most: usize,
    },
    /// Two ids with the same key, which chance gives once in 2⁶³ pairs.
    #[error(
        "the ids {id:?} and {other:?} have the same key in Milvus: give one of them another id; nothing was written"
    )]
    KeyTaken {
        /// The id that was given.
        id: String,
        /// The id that has the key.
        other: String,
    },
    /// More results than Milvus gives.
    #[error("Milvus gives at most {most} results of a search, and {asked} were asked for")]
    TooManyResults {
        /// How many were asked for.
        asked: usize,
        /// How many can be.
        most: usize,
    },
    /// A vector that the collection does not take.
    #[error(transparent)]
    Vector(IndexError),
    /// An answer that the client does not take.
    #[error("Milvus's answer to {operation} is larger than 4 MiB: ask for fewer items at a time")]
    AnswerTooLarge {
        /// What was asked of it.
        operation: &'static str,
    },
    /// An answer that makes no sense.
    #[error(
        "Milvus answered {operation} with something else ({reason}): check that its version is 2.5 or later"
    )]
    Answer {
        /// What was asked of it.
        operation: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A collection from before items could be found by their words.
    #[error(
        "the Milvus collection {collection} was made before its items could be found by their words, which hybrid retrieval does: move them with `llasta migrate --from {url}/{collection} --to {url}/{collection}_words` and then take that one with --milvus-collection (MILVUS_COLLECTION), or take dense retrieval (--retrieval dense, RETRIEVAL)"
    )]
    NoWords {
        /// Where it is.
        url: MilvusUrl,
        /// The collection.
        collection: String,
    },
    /// Texts that could not be taken apart.
    #[error("the words of the texts cannot be told apart: {message}")]
    Words {
        /// What is wrong.
        message: String,
    },
    /// Calls run on Tokio, and there is none.
    #[error("Milvus is asked from within a Tokio runtime, and none is running on this thread")]
    NoRuntime,
    /// This build has no Milvus.
    #[error(
        "this build cannot speak with Milvus: build with `--features milvus`, or choose an index of this machine with --index (INDEX)"
    )]
    NotCompiledIn,
}

impl MilvusError {
    /// Whether it may be otherwise in a moment: nobody answered.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether what was asked is at fault, and nothing else.
    pub(crate) fn is_of_the_request(&self) -> bool {
        matches!(
            self,
            Self::TooLong { .. }
                | Self::TooManyKeys { .. }
                | Self::KeyTaken { .. }
                | Self::TooManyResults { .. }
                | Self::NoWords { .. }
        )
    }
}

impl From<MilvusError> for IndexError {
    fn from(error: MilvusError) -> Self {
        match error {
            MilvusError::NotCompiledIn => Self::NotCompiledIn {
                backend: "Milvus",
                feature: "milvus",
            },
            MilvusError::Vector(error) => error,
            error => Self::Backend {
                backend: "Milvus",
                message: error.to_string(),
            },
        }
    }
}
