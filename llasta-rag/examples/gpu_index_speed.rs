//! How fast an index is searched on a GPU, or on the CPU: one JSON object per line. `benches/gpu/run.py` starts
//! it, measures Python's FAISS on the same vectors, and makes the table.
//!
//! `cargo run --release --features faiss-gpu --example gpu_index_speed -- --device cuda:0 --vectors 1000000`
//!
//! The vectors are made in chunks, always the same ones. Each index is built on the CPU, saved, and opened where
//! it is measured, as a service would.

// An example says what it found on standard output, and ends where something is wrong.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use clap::Parser;
use llasta_rag::embed::normalise;
use llasta_rag::gpu;
use llasta_rag::index::{FaissIndex, Index, IndexConfig, IndexDevice, IndexKind, Neighbour, Stamp};
use serde_json::json;

/// Vectors made at a time.
const CHUNK: usize = 16_384;

/// Measures searches.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to search
    #[arg(long, default_value = "cpu")]
    device: String,
    #[arg(long, default_value_t = 20_000)]
    vectors: usize,
    #[arg(long, default_value_t = 1024)]
    dimension: usize,
    /// Results of each search
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// Kinds of index, one or more
    #[arg(long, num_args = 1.., default_values = ["Flat", "IVF128,Flat"])]
    kinds: Vec<String>,
    /// Queries of each search, one or more
    #[arg(long, num_args = 1.., default_values_t = [1, 64, 1024])]
    batches: Vec<usize>,
    /// Lists that a search of an IVF index looks into
    #[arg(long)]
    nprobe: Option<usize>,
    /// Flat vectors in half precision on the GPU
    #[arg(long)]
    half: bool,
    /// Each of several GPUs holds a part
    #[arg(long)]
    shard: bool,
    /// Queries that recall is measured with
    #[arg(long, default_value_t = 100)]
    judged: usize,
    /// Seconds that each measurement takes at least
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Where index files are written, which are as large as the vectors
    #[arg(long)]
    folder: std::path::PathBuf,
}

fn main() {
    let arguments = Arguments::parse();
    let device: IndexDevice = arguments.device.parse().unwrap();
    let most = *arguments.batches.iter().max().unwrap();
    // Queries are rows of another seed, so that none is a stored vector.
    let queries = rows(&arguments, 1 << 40, most.max(arguments.judged));
    let truth = truth(&arguments, &queries[..arguments.judged]);
    for kind in &arguments.kinds {
        let begun = Instant::now();
        let file = arguments.folder.join("index.bin");
        save(&arguments, kind, &file);
        let built = begun.elapsed().as_secs_f64();
        let mut config = config(&arguments, kind);
        config.device = device.clone();
        let begun = Instant::now();
        let index = config.create(arguments.dimension).unwrap();
        index.load(&file, &stamp(&arguments)).unwrap();
        index.train().unwrap();
        let opened = begun.elapsed().as_secs_f64();
        let found = search(index.as_ref(), &queries[..arguments.judged], arguments.k);
        let recall = recall(&found, &truth);
        let card = index
            .device()
            .starts_with("cuda:")
            .then(|| gpu::gpu(0).ok())
            .flatten();
        for &batch in &arguments.batches {
            let milliseconds = measure(&arguments, || {
                search(index.as_ref(), &queries[..batch], arguments.k);
            });
            let line = json!({
                "engine": "llasta",
                "kind": kind,
                "device": index.device(),
                "card": card.as_ref().map(|card| card.name.as_str()),
                "vectors": arguments.vectors,
                "dimension": arguments.dimension,
                "half": arguments.half,
                "batch": batch,
                "milliseconds": milliseconds,
                "per_second": batch as f64 / milliseconds * 1e3,
                "recall": recall,
                "build_seconds": built,
                "open_seconds": opened,
            });
            println!("{line}");
        }
    }
}

fn config(arguments: &Arguments, kind: &str) -> IndexConfig {
    let mut config = IndexConfig::from(kind.parse::<IndexKind>().unwrap());
    config.nprobe = arguments.nprobe;
    config.gpu_half = arguments.half;
    config.gpu_shard = arguments.shard;
    config
}

fn stamp(arguments: &Arguments) -> Stamp {
    Stamp {
        generation: 1,
        dimension: arguments.dimension,
        model: "bench".to_owned(),
    }
}

/// Builds an index on the CPU and writes it.
fn save(arguments: &Arguments, kind: &str, file: &Path) {
    let mut config = config(arguments, kind);
    config.device = IndexDevice::Cpu;
    let index = config.create(arguments.dimension).unwrap();
    for (keys, rows) in chunks(arguments) {
        index.upsert(&keyed(&keys, &rows)).unwrap();
    }
    index.train().unwrap();
    index.save(file, &stamp(arguments)).unwrap();
}

/// The true nearest, chunk by chunk.
fn truth(arguments: &Arguments, queries: &[Vec<f32>]) -> Vec<Vec<Neighbour>> {
    let mut best = vec![Vec::new(); queries.len()];
    for (keys, rows) in chunks(arguments) {
        let chunk = FaissIndex::new(arguments.dimension).unwrap();
        chunk.upsert(&keyed(&keys, &rows)).unwrap();
        let found = search(&chunk, queries, arguments.k);
        for (best, found) in best.iter_mut().zip(found) {
            best.extend(found);
            best.sort_by(|a: &Neighbour, b| b.score.total_cmp(&a.score));
            best.truncate(arguments.k);
        }
    }
    best
}

fn search(index: &dyn Index, queries: &[Vec<f32>], k: usize) -> Vec<Vec<Neighbour>> {
    let queries: Vec<_> = queries.iter().map(Vec::as_slice).collect();
    index.search_many(&queries, k, None).unwrap()
}

fn recall(found: &[Vec<Neighbour>], truth: &[Vec<Neighbour>]) -> f64 {
    let (mut there, mut all) = (0, 0);
    for (found, truth) in found.iter().zip(truth) {
        let found: HashSet<_> = found.iter().map(|neighbour| neighbour.id).collect();
        there += truth.iter().filter(|one| found.contains(&one.id)).count();
        all += truth.len();
    }
    there as f64 / all as f64
}

/// The median of calls that take so long together, but at least of three.
fn measure(arguments: &Arguments, mut call: impl FnMut()) -> f64 {
    call();
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || begun.elapsed().as_secs_f64() < arguments.seconds {
        let call_begun = Instant::now();
        call();
        times.push(call_begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn chunks(arguments: &Arguments) -> impl Iterator<Item = (Vec<u64>, Vec<Vec<f32>>)> + use<'_> {
    let count = arguments.vectors;
    (0..count).step_by(CHUNK).map(move |first| {
        let length = CHUNK.min(count - first);
        let keys = (first as u64..(first + length) as u64).collect();
        (keys, rows(arguments, first as u64, length))
    })
}

fn keyed<'a>(keys: &[u64], rows: &'a [Vec<f32>]) -> Vec<(u64, &'a [f32])> {
    keys.iter()
        .copied()
        .zip(rows.iter().map(Vec::as_slice))
        .collect()
}

/// Rows around centres, one for every 200, as `run.py` makes them too.
fn rows(arguments: &Arguments, first: u64, count: usize) -> Vec<Vec<f32>> {
    let dimension = arguments.dimension;
    let centres = (arguments.vectors as u64 / 200).max(1);
    let row = |number: u64| {
        let centre = hash(number) % centres;
        let mut row: Vec<_> = (0..dimension as u64)
            .map(|i| {
                let centre = unit((1 << 60) + centre * dimension as u64 + i);
                centre + unit(number * dimension as u64 + i)
            })
            .collect();
        normalise(&mut row);
        row
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut made = vec![Vec::new(); count];
    let share = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (part, made) in made.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                for (at, place) in made.iter_mut().enumerate() {
                    *place = row(first + (part * share + at) as u64);
                }
            });
        }
    });
    made
}

fn hash(x: u64) -> u64 {
    let x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 32)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 29)
}

/// From -1 to 1.
fn unit(x: u64) -> f32 {
    (hash(x) >> 40) as f32 / (1 << 23) as f32 - 1.0
}
