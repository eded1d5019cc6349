//! What this crate promises, proved from outside.

mod floors;
mod testing_kit;
