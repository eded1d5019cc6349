//! What holds for any input and across modules: one binary, one module per subject.

// Clippy knows test functions, but not the helpers beside them.
#![allow(clippy::unwrap_used)]

mod chunks;
mod collection;
mod indexes;
mod streams;
