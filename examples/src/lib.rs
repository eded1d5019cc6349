//! Programs that teach one thing each. Read them in this order:
//!
//! | program | what it teaches |
//! |---|---|
//! | `01_axum_layer` | spans, metrics and log lines for every request of an axum service |
//! | `02_client` | a request to another service goes on in the same trace |
//! | `03_macros` | typed spans, and functions that run in one |
//! | `04_streaming_llm` | time to the first token, usage and thinking of a streamed completion |
//! | `05_own_schema` | a team declares its own telemetry |
//! | `06_worker_and_spawn` | the current span in tasks, on threads and in pools |
//! | `07_conformance_test` | a test that a service emits what its schema declares |
//! | `08_full_rag` | the reference services in one process, and one trace through all of them |
//!
//! Run one with `cargo run -p llasta-examples --example 01_axum_layer`. Each needs nothing but
//! itself, ends by itself, and prints what stands at its top: a test compares the two.
//!
//! This crate's documentation tests compile every Rust block of the README and of `docs/` too.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use llasta_telemetry::testing::{CapturedSpan, Recorder};
use tokio::net::TcpListener;

/// Serves a router on a free loopback port until the program ends, and says at which address.
///
/// # Errors
///
/// When there is no free port.
pub async fn serve(app: Router) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

/// The spans so far, once the one of this name has ended. A client has its answer a moment before
/// the server's span ends.
pub async fn soon(seen: &Recorder, name: &str) -> Vec<CapturedSpan> {
    let ended = |spans: &[CapturedSpan]| spans.iter().any(|span| span.name == name);
    seen.wait_until(ended, Duration::from_secs(20)).await
}

#[doc = include_str!("../../README.md")]
pub mod readme {}

#[doc = include_str!("../../docs/guides/conformance.md")]
pub mod conformance {}

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
