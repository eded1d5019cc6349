//! A GPU that is lost while it is used:
//! `cargo test --release -p llasta-rag --features cuda,faiss-gpu --test gpu_lost`. It needs a GPU.
//!
//! A kernel that reads beside a table is what makes CUDA refuse everything that a process asks for
//! afterwards, as it does when a card falls off its bus. So each loss is in a process of its own, and what
//! must hold is asked in this one.

// Clippy knows test functions, but not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use candle_core::{DType, Tensor};
use llasta_rag::Device;
use llasta_rag::embed::{EmbedError, Embedder, LexicalEmbedder, NeuralEmbedder, NeuralOptions};
use llasta_rag::index::{IndexConfig, IndexKind};
use llasta_rag::pipeline::{Collection, Item};

/// Where a child finds its collection.
const FOLDER: &str = "LLASTA_TEST_LOST";
const ITEMS: usize = 3_000;

/// This program again, for one of its ignored tests.
fn child(test: &str, folder: &Path) -> Output {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--ignored", "--exact", "--nocapture", test])
        .env(FOLDER, folder)
        .output()
        .unwrap()
}

fn lose_the_gpu() {
    let device = candle_core::Device::new_cuda_with_stream(0).unwrap();
    let table = Tensor::zeros((4, 4), DType::F32, &device).unwrap();
    let beside = Tensor::new(&[4_000_000_u32], &device).unwrap();
    let read = table.index_select(&beside, 0);
    let after = read.and_then(|row| row.to_vec2::<f32>());
    assert!(after.is_err(), "the GPU read beside a table: {after:?}");
}

fn model() -> NeuralEmbedder {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bge-m3-tiny");
    let options = NeuralOptions {
        device: Device::Cuda(0),
        ..NeuralOptions::default()
    };
    NeuralEmbedder::open(folder.to_str().unwrap(), &options).unwrap()
}

fn collection(folder: &Path) -> Collection {
    let mut config = IndexConfig::from("faiss".parse::<IndexKind>().unwrap());
    config.device = "cuda:0".parse().unwrap();
    config.gpu_memory_mib = Some(64);
    let embedder = Arc::new(LexicalEmbedder::new(64).unwrap());
    Collection::open(folder, embedder, config).unwrap()
}

fn items() -> Vec<Item> {
    let items = (0..ITEMS).map(|number| Item {
        id: format!("item {number}"),
        text: format!("What is said of number {number}, and of {}.", number * 7),
        metadata: serde_json::json!({ "number": number }),
    });
    items.collect()
}

#[test]
fn a_model_on_a_lost_gpu_says_so_once_and_for_all_and_a_new_process_has_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let child = child("child_with_a_model", folder.path());
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("as it must be"), "{said}\n{errors}");
    assert_eq!(model().embed(&["index"]).unwrap().len(), 1);
}

#[test]
#[ignore = "loses the GPU: started by the test above"]
fn child_with_a_model() {
    let model = model();
    model.embed(&["index"]).unwrap();
    lose_the_gpu();
    for _ in 0..2 {
        let error = model.embed(&["index"]).unwrap_err();
        assert!(matches!(error, EmbedError::Lost { .. }), "{error}");
        for words in ["cuda:0", "start the service again"] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    // What is freed now is of no consequence.
    println!("as it must be");
    std::process::exit(0);
}

/// FAISS ends the process itself.
#[test]
fn an_index_on_a_lost_gpu_ends_the_process_and_nothing_that_was_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let child = child("child_with_an_index", folder.path());
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("acknowledged"), "{said}\n{errors}");
    assert!(!said.contains("found"), "{said}\n{errors}");
    assert!(!child.status.success(), "{said}\n{errors}");

    let again = collection(folder.path());
    assert_eq!(again.len(), ITEMS);
    assert_eq!(again.metadata_len().unwrap(), ITEMS);
    again.index().train().unwrap();
    assert_eq!(again.index().device(), "cuda:0");
    for item in items().iter().step_by(301) {
        let vector = again.embed_query(&item.text).unwrap();
        let found = again.search_vector(&vector, 1).unwrap();
        let found = again.fetch(&found).unwrap();
        assert!(found[0].score > 0.999, "{}: {}", item.id, found[0].score);
        assert_eq!(found[0].text, item.text);
        assert_eq!(found[0].metadata, item.metadata);
    }
}

#[test]
#[ignore = "loses the GPU: started by the test above"]
fn child_with_an_index() {
    let folder = std::env::var_os(FOLDER).expect("the test above sets it");
    let collection = collection(Path::new(&folder));
    collection.upsert(items()).unwrap();
    collection.index().train().unwrap();
    assert_eq!(collection.index().device(), "cuda:0");
    let vector = collection.embed_query("number 12").unwrap();
    collection.search_vector(&vector, 3).unwrap();
    println!("acknowledged");
    lose_the_gpu();
    let found = collection.search_vector(&vector, 3);
    println!("found {found:?}");
}
