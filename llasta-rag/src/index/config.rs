//! Which index there is, and how it searches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{ExactIndex, FaissIndex, Index, IndexError};

/// Which backend to use, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexConfig {
    /// The backend.
    pub kind: IndexKind,
}

impl From<IndexKind> for IndexConfig {
    fn from(kind: IndexKind) -> Self {
        Self { kind }
    }
}

impl IndexConfig {
    /// An empty index of this kind.
    ///
    /// # Errors
    ///
    /// A dimension of zero, or a backend that is not compiled in: the message names the feature.
    pub fn create(&self, dimension: usize) -> Result<Arc<dyn Index>, IndexError> {
        match self.kind {
            IndexKind::Auto if FaissIndex::AVAILABLE => Ok(Arc::new(FaissIndex::new(dimension)?)),
            IndexKind::Auto | IndexKind::Exact => Ok(Arc::new(ExactIndex::new(dimension)?)),
            IndexKind::Faiss => Ok(Arc::new(FaissIndex::new(dimension)?)),
        }
    }
}

/// Which backend to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IndexKind {
    /// FAISS where it is compiled in, else the exact index.
    #[default]
    Auto,
    /// The exact index in Rust.
    Exact,
    /// FAISS.
    Faiss,
}

impl IndexKind {
    /// Every name that [`FromStr`] accepts.
    pub const NAMES: [&'static str; 3] = ["auto", "exact", "faiss"];

    /// An empty index of this kind, with the usual settings.
    ///
    /// # Errors
    ///
    /// As [`IndexConfig::create`].
    pub fn create(self, dimension: usize) -> Result<Arc<dyn Index>, IndexError> {
        IndexConfig::from(self).create(dimension)
    }
}

impl fmt::Display for IndexKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Exact => "exact",
            Self::Faiss => "faiss",
        })
    }
}

impl FromStr for IndexKind {
    type Err = IndexError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "exact" => Ok(Self::Exact),
            "faiss" => Ok(Self::Faiss),
            _ => Err(IndexError::UnknownKind {
                given: name.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_kind_parses_to_what_displays_as_itself() {
        for name in IndexKind::NAMES {
            assert_eq!(name.parse::<IndexKind>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_kind_is_named_with_what_is_allowed() {
        let message = "hnsw".parse::<IndexKind>().unwrap_err().to_string();
        for expected in ["hnsw", "auto", "exact", "faiss"] {
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn auto_prefers_faiss_and_falls_back_to_the_exact_index() {
        let index = IndexKind::Auto.create(4).unwrap();
        assert_eq!(
            &*index.factory(),
            if cfg!(feature = "faiss") {
                "Flat"
            } else {
                "Exact"
            }
        );
        assert_eq!(index.device(), "cpu");
    }
}
