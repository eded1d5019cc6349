//! What this crate promises, proved from outside.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests may"
)]

mod floors;
mod testing_kit;
