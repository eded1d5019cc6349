//! What recording costs, counted: the part that every program here shares.
//!
//! [`measure`] is how something is measured, [`exercise`] the work that is done with and without
//! telemetry, [`sdk`] that work with this SDK. Other crates' variants lie in a workspace of their
//! own, `benches/peers`, which uses the first two.

#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod exercise;
pub mod measure;
pub mod sdk;
