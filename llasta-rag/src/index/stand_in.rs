//! What a type without values says as an [`Index`](super::Index), where a backend is not compiled in.

/// Makes an index of a type whose only field is [`Infallible`](std::convert::Infallible).
macro_rules! stand_in {
    ($name:ident) => {
        impl $crate::index::Index for $name {
            fn factory(&self) -> std::sync::Arc<str> {
                match self.0 {}
            }

            fn device(&self) -> &str {
                match self.0 {}
            }

            fn dimension(&self) -> usize {
                match self.0 {}
            }

            fn len(&self) -> usize {
                match self.0 {}
            }

            fn upsert(&self, _rows: &[(u64, &[f32])]) -> Result<(), $crate::index::IndexError> {
                match self.0 {}
            }

            fn remove(&self, _ids: &[u64]) -> Result<usize, $crate::index::IndexError> {
                match self.0 {}
            }

            fn search_many(
                &self,
                _queries: &[&[f32]],
                _k: usize,
                _among: Option<&std::collections::HashSet<u64>>,
            ) -> Result<Vec<Vec<$crate::index::Neighbour>>, $crate::index::IndexError> {
                match self.0 {}
            }

            fn reset(&self) -> Result<(), $crate::index::IndexError> {
                match self.0 {}
            }

            fn save(
                &self,
                _path: &std::path::Path,
                _stamp: &$crate::index::Stamp,
            ) -> Result<(), $crate::index::IndexError> {
                match self.0 {}
            }

            fn load(
                &self,
                _path: &std::path::Path,
                _expected: &$crate::index::Stamp,
            ) -> Result<(), $crate::index::IndexError> {
                match self.0 {}
            }
        }
    };
}

pub(crate) use stand_in;
