//! Everything that the contract lists, broken in one way after another.

mod attributes;
mod logs;
mod metrics;
mod spans;
