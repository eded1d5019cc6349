//! The `llasta` binary.
fn main() {}
