//! FAISS's indexes on a GPU, against the same indexes on the CPU:
//! `cargo test --release -p llasta-rag --features faiss-gpu --test gpu_index`. It needs a GPU.

// Clippy knows test functions, but not the helpers beside them.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use llasta_rag::embed::normalise;
use llasta_rag::gpu;
use llasta_rag::index::{Index, IndexConfig, IndexError, IndexKind, Neighbour, Stamp};

const DIMENSION: usize = 64;

/// Locked to write by the one test that leaves the others no memory.
static CARD: RwLock<()> = RwLock::new(());

fn card() -> RwLockReadGuard<'static, ()> {
    CARD.read().unwrap_or_else(PoisonError::into_inner)
}

/// Normalised vectors around 40 centres, under the keys from `first` on; always the same ones.
fn rows(count: usize, first: u64) -> Vec<(u64, Vec<f32>)> {
    let number = |seed: u64| {
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
        for _ in 0..3 {
            x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
        (x >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let keys = first..first + count as u64;
    keys.map(|key| {
        let component =
            |i: u64| number(key % 40 * 1_000 + i) + 0.5 * number(1_000_000 + key * 1_000 + i);
        let mut vector: Vec<_> = (0..DIMENSION as u64).map(component).collect();
        normalise(&mut vector);
        (key, vector)
    })
    .collect()
}

fn borrowed(rows: &[(u64, Vec<f32>)]) -> Vec<(u64, &[f32])> {
    let pairs = rows.iter().map(|(key, row)| (*key, row.as_slice()));
    pairs.collect()
}

fn config(kind: &str, device: &str) -> IndexConfig {
    let mut config = IndexConfig::from(kind.parse::<IndexKind>().unwrap());
    config.device = device.parse().unwrap();
    config.nprobe = Some(16);
    config.gpu_memory_mib = Some(64);
    config
}

fn empty(kind: &str, device: &str) -> Arc<dyn Index> {
    config(kind, device).create(DIMENSION).unwrap()
}

/// 20,000 rows in the main part, of which some are gone, and 300 in the tail.
fn filled(kind: &str, device: &str) -> Arc<dyn Index> {
    let index = empty(kind, device);
    index.upsert(&borrowed(&rows(20_000, 0))).unwrap();
    index.train().unwrap();
    index.upsert(&borrowed(&rows(300, 19_900))).unwrap();
    index.remove(&(500..1_000).collect::<Vec<_>>()).unwrap();
    assert_eq!(index.device(), device, "{kind}");
    index
}

fn stamp() -> Stamp {
    Stamp {
        generation: 1,
        dimension: DIMENSION,
        model: "m".to_owned(),
    }
}

fn ids(found: &[Neighbour]) -> Vec<u64> {
    found.iter().map(|neighbour| neighbour.id).collect()
}

/// The share of `expected` that was found.
fn recall(found: &[Vec<Neighbour>], expected: &[Vec<Neighbour>]) -> f64 {
    let (mut there, mut all) = (0, 0);
    for (found, expected) in found.iter().zip(expected) {
        let found: HashSet<_> = ids(found).into_iter().collect();
        there += ids(expected).iter().filter(|id| found.contains(id)).count();
        all += expected.len();
    }
    there as f64 / all as f64
}

fn search(index: &dyn Index, k: usize) -> Vec<Vec<Neighbour>> {
    let queries = rows(200, 1 << 40);
    let queries: Vec<_> = queries.iter().map(|(_, query)| query.as_slice()).collect();
    index.search_many(&queries, k, None).unwrap()
}

#[test]
fn flat_finds_on_the_gpu_what_it_finds_on_the_cpu_score_for_score() {
    let _card = card();
    let (cpu, gpu) = (filled("faiss", "cpu"), filled("faiss", "cuda:0"));
    for k in [1, 10, 100, 2_048, 3_000] {
        assert_eq!(search(gpu.as_ref(), k), search(cpu.as_ref(), k), "{k}");
    }
    assert!(gpu.misses_none() && gpu.scores_are_exact());
}

#[test]
fn flat_in_half_precision_misses_next_to_nothing_and_scores_as_if_whole() {
    let _card = card();
    let cpu = filled("faiss", "cpu");
    let mut half = config("faiss", "cuda:0");
    half.gpu_half = true;
    let gpu = half.create(DIMENSION).unwrap();
    gpu.upsert(&borrowed(&rows(20_000, 0))).unwrap();
    gpu.train().unwrap();
    gpu.upsert(&borrowed(&rows(300, 19_900))).unwrap();
    gpu.remove(&(500..1_000).collect::<Vec<_>>()).unwrap();
    assert!(!gpu.misses_none());
    let (found, expected) = (search(gpu.as_ref(), 10), search(cpu.as_ref(), 10));
    assert!(recall(&found, &expected) >= 0.99);
    let best = |found: &[Vec<Neighbour>]| found.iter().map(|one| one[0]).collect::<Vec<_>>();
    assert_eq!(best(&found), best(&expected));
}

#[test]
fn an_ivf_index_finds_on_the_gpu_as_much_as_on_the_cpu() {
    let _card = card();
    let exact = filled("faiss", "cpu");
    let expected = search(exact.as_ref(), 10);
    for (kind, alike) in [
        ("IVF64,Flat", 0.999),
        ("IVF64,SQ8", 0.98),
        ("IVF64,SQfp16", 0.98),
        ("IVF64,PQ16", 0.95),
        ("PCA32,IVF64,PQ16", 0.95),
    ] {
        let (cpu, gpu) = (filled(kind, "cpu"), filled(kind, "cuda:0"));
        let (cpu, gpu) = (search(cpu.as_ref(), 10), search(gpu.as_ref(), 10));
        // Both are trained by themselves, but on the same vectors with the same seed.
        assert!(
            recall(&gpu, &cpu) >= alike,
            "{kind}: {}",
            recall(&gpu, &cpu)
        );
        let (on_cpu, on_gpu) = (recall(&cpu, &expected), recall(&gpu, &expected));
        assert!(
            on_gpu >= on_cpu - 0.01,
            "{kind}: {on_gpu}, and {on_cpu} on the CPU"
        );
    }
}

#[test]
fn a_filtered_search_and_one_for_very_many_say_that_the_cpu_does_them() {
    let _card = card();
    let (cpu, gpu) = (filled("IVF64,Flat", "cpu"), filled("IVF64,Flat", "cuda:0"));
    assert_eq!(gpu.device_for(10, false), "cuda:0");
    assert_eq!(gpu.device_for(10, true), "cpu");
    assert_eq!(gpu.device_for(2_049, false), "cpu");
    let among: HashSet<_> = (0..5_000).filter(|key| key % 3 == 0).collect();
    let (_, query) = &rows(1, 7)[0];
    let [cpu, gpu] = [cpu, gpu].map(|index| index.search_many(&[query], 20, Some(&among)).unwrap());
    assert_eq!(ids(&cpu[0]), ids(&gpu[0]));
    assert!(gpu[0].iter().all(|neighbour| among.contains(&neighbour.id)));
}

#[test]
fn searches_during_upserts_removals_and_copies_see_each_key_once_and_none_that_is_gone() {
    let _card = card();
    for kind in ["faiss", "IVF16,Flat"] {
        let index = filled(kind, "cuda:0");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        for found in search(index.as_ref(), 50) {
                            let found = ids(&found);
                            let once: HashSet<_> = found.iter().copied().collect();
                            assert_eq!((found.len(), once.len()), (50, 50));
                            assert!(found.iter().all(|key| !(500..1_000).contains(key)));
                        }
                    }
                });
            }
            for round in 0..10 {
                let rows = rows(2_000, 100_000 + round * 2_000);
                index.upsert(&borrowed(&rows)).unwrap();
                let old: Vec<_> = (2_000 + round * 100..2_100 + round * 100).collect();
                assert_eq!(index.remove(&old).unwrap(), 100);
                index.train().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!((index.device(), index.len()), ("cuda:0", 38_700));
    }
}

#[test]
fn two_searches_at_once_find_what_each_finds_alone() {
    let _card = card();
    let index = filled("faiss", "cuda:0");
    let alone = search(index.as_ref(), 20);
    thread::scope(|scope| {
        let both: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| search(index.as_ref(), 20)))
            .collect();
        for found in both {
            assert_eq!(found.join().unwrap(), alone);
        }
    });
}

#[test]
fn an_index_saved_by_a_gpu_is_opened_by_the_cpu_and_back() {
    let _card = card();
    for kind in ["faiss", "IVF64,Flat", "IVF64,PQ16"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        let first = filled(kind, "cuda:0");
        let expected = search(first.as_ref(), 10);
        first.save(&path, &stamp()).unwrap();
        for device in ["cpu", "cuda:0", "cpu"] {
            let next = empty(kind, device);
            next.load(&path, &stamp()).unwrap();
            assert_eq!((next.device(), next.len()), (device, first.len()), "{kind}");
            let found = search(next.as_ref(), 10);
            assert!(recall(&found, &expected) >= 0.99, "{kind} on {device}");
            next.save(&path, &stamp()).unwrap();
        }
    }
}

#[test]
fn without_room_on_the_gpu_an_index_is_refused_by_numbers_and_auto_takes_the_cpu() {
    let _card = CARD.write().unwrap_or_else(PoisonError::into_inner);
    let large = |device: &str| {
        let mut config = config("faiss", device);
        config.gpu_memory_mib = Some(1_536);
        let index = config.create(DIMENSION).unwrap();
        index.upsert(&borrowed(&rows(2_000, 0))).unwrap();
        index
    };
    // Each sets aside 1.5 GiB for its searches.
    let most = gpu::gpu(0).unwrap().memory_bytes / (1_536 << 20) + 1;
    let mut held = Vec::new();
    let refusal = (0..most).find_map(|_| {
        let index = large("cuda:0");
        let refusal = index.train().err();
        held.push(index);
        refusal
    });
    let refusal = refusal.expect("the GPU's memory has an end");
    assert!(matches!(refusal, IndexError::GpuMemory { .. }), "{refusal}");
    let said = refusal.to_string();
    for words in [
        "MiB on cuda:0",
        "are free",
        "--index-gpu-half",
        "--index-device cpu",
    ] {
        assert!(said.contains(words), "{said}");
    }
    // The one that was refused answers exactly, on the CPU; the others still do on the GPU.
    let refused = held.pop().unwrap();
    assert_eq!((refused.device(), refused.len()), ("cpu", 2_000));
    assert_eq!(search(refused.as_ref(), 5), search(held[0].as_ref(), 5));

    let auto = large("auto");
    auto.train().unwrap();
    assert_eq!(auto.device(), "cpu");
    assert_eq!(search(auto.as_ref(), 5), search(held[0].as_ref(), 5));
    drop(held);
    auto.upsert(&borrowed(&rows(10, 5_000))).unwrap();
    auto.train().unwrap();
    assert_eq!(auto.device(), "cuda:0");
}

#[test]
fn a_gpu_that_is_not_there_is_refused_by_its_number() {
    let _card = card();
    let error = config("faiss", "cuda:63").create(DIMENSION).unwrap_err();
    assert!(matches!(error, IndexError::Gpu { .. }), "{error}");
    assert!(error.to_string().contains("there is no GPU 63"), "{error}");
}

#[test]
fn several_gpus_find_what_one_does_with_all_vectors_on_each_or_a_part() {
    let _card = card();
    let count = gpu::count().unwrap();
    for kind in ["faiss", "IVF64,Flat"] {
        let one = search(filled(kind, "cuda:0").as_ref(), 10);
        for shard in [false, true] {
            let mut all = config(kind, "cuda:all");
            all.gpu_shard = shard;
            let index = all.create(DIMENSION).unwrap();
            index.upsert(&borrowed(&rows(20_000, 0))).unwrap();
            index.train().unwrap();
            index.upsert(&borrowed(&rows(300, 19_900))).unwrap();
            index.remove(&(500..1_000).collect::<Vec<_>>()).unwrap();
            let numbers: Vec<_> = (0..count).map(|number| number.to_string()).collect();
            assert_eq!(index.device(), format!("cuda:{}", numbers.join(",")));
            assert!(recall(&search(index.as_ref(), 10), &one) >= 0.999, "{kind}");
        }
    }
}

#[test]
fn a_gpu_that_is_used_says_how_much_of_its_memory_is() {
    let _card = card();
    let before = gpu::load(0).unwrap();
    let mut config = config("faiss", "cuda:0");
    config.gpu_memory_mib = Some(1_024);
    let index = config.create(DIMENSION).unwrap();
    index.upsert(&borrowed(&rows(2_000, 0))).unwrap();
    index.train().unwrap();
    let after = gpu::load(0).unwrap();
    assert_eq!(before.total_bytes, after.total_bytes);
    assert!(after.used_bytes > 1 << 30);
}
