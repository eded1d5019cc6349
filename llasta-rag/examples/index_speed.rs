//! How fast FAISS searches through this crate: prints one row of a Markdown table per kind.
//!
//! `cargo run --release --features faiss --example index_speed -- [ROWS] [DIMENSION] [KIND…]`
//!
//! `benches/retrieval/index_speed.py` measures faiss-cpu on the same vectors. Run the two in turns: what
//! counts is the ratio of rounds that ran on the same machine at the same time.

// An example says what it found on standard output, and ends where something is wrong.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use llasta_rag::embed::normalise;
use llasta_rag::index::{IndexConfig, IndexKind};

const K: usize = 5;
const BATCH: usize = 64;
const ROUNDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual| arguments.next().map_or(usual, |text| text.parse().unwrap());
    let (rows, dimension) = (number(20_000_usize), number(1024_usize));
    let mut kinds: Vec<String> = arguments.collect();
    if kinds.is_empty() {
        kinds = ["Flat", "IVF128,Flat", "HNSW32"].map(str::to_owned).into();
    }
    let mut random = Random(1);
    let vectors: Vec<_> = (0..rows).map(|_| random.vector(dimension)).collect();
    let queries: Vec<_> = (0..BATCH).map(|_| random.vector(dimension)).collect();
    let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();

    println!("| {rows} x {dimension}, ms | build | one query | batch of {BATCH} |");
    println!("|---|---|---|---|");
    for kind in kinds {
        let mut config = IndexConfig::from(kind.parse::<IndexKind>().unwrap());
        config.nprobe = Some(16);
        config.ef_search = Some(64);
        config.threads = Some(1);
        let index = config.create(dimension).unwrap();
        let keyed = vectors
            .iter()
            .zip(0..)
            .map(|(row, key)| (key, row.as_slice()));
        let keyed: Vec<_> = keyed.collect();
        let build = milliseconds(|| {
            index.upsert(&keyed).unwrap();
            index.train().unwrap();
        });
        let (mut one, mut batch) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            one.push(
                milliseconds(|| {
                    for query in &queries {
                        black_box(index.search(query, K).unwrap());
                    }
                }) / BATCH as f64,
            );
            batch.push(milliseconds(|| {
                black_box(index.search_many(&queries, K, None).unwrap());
            }));
        }
        let (one, batch) = (median(one), median(batch));
        println!("| {kind} | {build:.0} | {one:.3} | {batch:.2} |");
    }
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The same numbers on every machine: a linear congruential generator.
struct Random(u64);

impl Random {
    fn vector(&mut self, dimension: usize) -> Vec<f32> {
        let mut vector: Vec<_> = (0..dimension)
            .map(|_| {
                self.0 = self
                    .0
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        normalise(&mut vector);
        vector
    }
}
