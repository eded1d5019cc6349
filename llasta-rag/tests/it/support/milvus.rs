//! A Milvus to test against: `PyPI`'s milvus-lite as a gRPC server, which speaks the real protocol.
//!
//! It serves one call at a time, as it says of itself that it must where several write.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use llasta_rag::embed::LexicalEmbedder;
use llasta_rag::index::{IndexConfig, IndexKind};
use llasta_rag::milvus::{MilvusConfig, MilvusItems, MilvusShelf};
use llasta_rag::pipeline::Collection;
use llasta_rag::service::{MAX_BODY_BYTES, faiss_wrap};
use llasta_rag::store::{StoredItem, VectorSpace};
use llasta_telemetry::testing::Recorder;
use milvus::v2::error::Result as SdkResult;
use milvus::v2::prelude::ClientV2;
use milvus::v2::prelude::QueryRequest;
use milvus::v2::{ConnectConfig, ConsistencyLevel, FieldData, TelemetryConfig};
use tempfile::TempDir;
use tokio::runtime::{EnterGuard, Runtime};

use super::DEADLINE;

/// Ends with whoever started it, and takes the folder along where it is told to.
const SERVER: &str = "
import os, shutil, sys, threading
from milvus_lite.adapter.grpc.server import run_server
folder, port, keep = sys.argv[1:4]
def end():
    sys.stdin.buffer.read()
    if keep == 'no':
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
run_server(folder, '127.0.0.1', int(port), 1)
";

/// A milvus-lite of a test's own, which it may kill.
#[derive(Debug)]
pub(crate) struct Lite {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Lite {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = serve(folder.path(), port, "yes");
        Self {
            process,
            port,
            folder,
        }
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    /// Kills it as the kernel does when memory is short.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, on the same port and the same folder.
    pub(crate) fn again(&mut self) {
        self.process = serve(self.folder.path(), self.port, "yes");
    }
}

impl Drop for Lite {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The address of the one that tests share; each takes a collection of its own.
pub(crate) fn shared() -> &'static str {
    static SHARED: OnceLock<(String, Child)> = OnceLock::new();
    let (url, _) = SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let port = free_port();
        (url(port), serve(&folder, port, "no"))
    });
    url
}

/// A name that no other test has.
pub(crate) fn collection() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A collection of its own in the shared Milvus, searched exactly.
pub(crate) fn config() -> MilvusConfig {
    config_of(shared(), &collection())
}

pub(crate) fn config_of(url: &str, collection: &str) -> MilvusConfig {
    let mut config = MilvusConfig::new(url.parse().unwrap());
    config.collection = collection.to_owned();
    config.index = "FLAT".parse().unwrap();
    config.retries = 2;
    config.timeout = Duration::from_secs(20);
    config
}

/// What vectors of two components were made with.
pub(crate) fn space(model: &str) -> VectorSpace {
    VectorSpace {
        model: model.to_owned(),
        dimension: 2,
    }
}

/// A collection of its own for such vectors, as a shelf.
pub(crate) fn shelf() -> MilvusShelf {
    MilvusShelf::open(&config(), &space("m")).unwrap()
}

/// A collection of texts, opened where it may block.
pub(crate) async fn opened(config: MilvusConfig) -> Arc<Collection> {
    let opened = tokio::task::spawn_blocking(move || {
        let embedder = Arc::new(LexicalEmbedder::default());
        Collection::open("none".as_ref(), embedder, index(config))
    });
    Arc::new(opened.await.unwrap().unwrap())
}

/// faiss-wrap over a collection, and what it says.
pub(crate) fn served(collection: Arc<Collection>) -> (Router, Recorder) {
    let seen = Recorder::builder("faiss-wrap").build();
    let app = faiss_wrap::router(collection, seen.telemetry(), MAX_BODY_BYTES);
    (app, seen)
}

pub(crate) fn index(config: MilvusConfig) -> IndexConfig {
    let mut index = IndexConfig::from(IndexKind::Milvus);
    index.milvus = Some(config);
    index
}

/// Milvus's own client, for what ours does not do.
pub(crate) async fn client(url: &str) -> SdkResult<ClientV2> {
    let config = ConnectConfig::new()
        .uri(url)
        .telemetry(TelemetryConfig::new().enabled(false));
    ClientV2::new(&config).await
}

/// How many items there are, asked by nothing of ours; none where the collection is not there yet.
pub(crate) async fn count(url: &str, collection: &str) -> usize {
    let asked = async {
        let request = QueryRequest::builder()
            .collection_name(collection)
            .output_fields(["count(*)"])
            .consistency_level(ConsistencyLevel::Strong)
            .build()?;
        client(url).await?.query(request).await
    };
    let Ok(answer) = asked.await else { return 0 };
    let counts = answer.results().get_output_field("count(*)");
    let counts = counts.and_then(FieldData::as_int64).unwrap();
    usize::try_from(counts[0]).unwrap()
}

/// Everything in a collection.
pub(crate) async fn everything(url: &str, collection: &str) -> Vec<StoredItem> {
    let config = config_of(url, collection);
    let read = tokio::task::spawn_blocking(move || {
        let items = MilvusItems::open_existing(&config).unwrap();
        let (mut all, mut last) = (Vec::new(), 0);
        loop {
            let page = items.items_after(last, 1000).unwrap();
            let Some((end, _)) = page.last() else { break };
            last = *end;
            all.extend(page.into_iter().map(|(_, item)| item));
        }
        assert_eq!(items.count().unwrap(), all.len());
        all
    });
    read.await.unwrap()
}

/// Where calls of tests without a runtime run.
pub(crate) fn runtime() -> EnterGuard<'static> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap()).enter()
}

fn serve(folder: &Path, port: u16, keep: &str) -> Child {
    let python = python();
    let mut process = Command::new(&python)
        .args(["-c", SERVER])
        .arg(folder)
        .args([&port.to_string(), keep])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{} cannot be started ({error}): the tests of the feature `milvus` need a Python with milvus-lite and pymilvus; run `bash .ci/milvus-check`, which installs them, or name one with LLASTA_MILVUS_LITE",
                python.display()
            )
        });
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = process.try_wait().unwrap() {
            let mut said = String::new();
            let _ = std::io::Read::read_to_string(&mut process.stderr.take().unwrap(), &mut said);
            panic!(
                "milvus-lite ended with {status}: {said}; `bash .ci/milvus-check` installs what it needs"
            );
        }
        assert!(
            began.elapsed() < DEADLINE * 2,
            "milvus-lite does not listen"
        );
        std::thread::yield_now();
    }
    // Nobody reads on: what it writes later must not fill the pipe.
    if let Some(mut errors) = process.stderr.take() {
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
    }
    process
}

/// The Python that has milvus-lite.
fn python() -> PathBuf {
    if let Some(named) = std::env::var_os("LLASTA_MILVUS_LITE") {
        return named.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("llasta/milvus/bin/python")
}
