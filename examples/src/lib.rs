//! Every Rust block of the README and of `docs/` compiles: they are this crate's documentation
//! tests.

#[doc = include_str!("../../README.md")]
pub mod readme {}

#[doc = include_str!("../../docs/guides/instrument-your-service.md")]
pub mod instrument_your_service {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// A page with Rust on it that this crate does not include would be tested by nobody.
    #[test]
    fn every_page_with_rust_on_it_is_included() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let included = include_str!("lib.rs");
        let mut folders = vec![root.join("docs")];
        let mut pages = vec![root.join("README.md")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    pages.push(path);
                }
            }
        }
        assert!(pages.len() > 5, "{pages:?}");
        for page in pages {
            let text = std::fs::read_to_string(&page).unwrap();
            let name = page.strip_prefix(&root).unwrap().display().to_string();
            assert!(
                !text.contains("```rust") || included.contains(&format!("../../{name}\"")),
                "{name} has Rust on it: include it in examples/src/lib.rs"
            );
            assert!(
                !text.contains("```rust,ignore"),
                "{name} has a block that is not compiled"
            );
        }
    }
}
