//! An index that stays in its file: it is really mapped, finds the same, and what is new waits beside it.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};

use llasta_rag::index::{Factory, FactoryIndex, Index, IndexError};

use super::index_factory::{borrowed, clustered};
use super::index_files::{filled, found, mapped, stamp};
use super::index_life::index;

/// How much of the address space of this process is a file.
fn mapped_bytes(path: &Path) -> usize {
    let path = fs::canonicalize(path).unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ours = maps
        .lines()
        .filter(|line| line.ends_with(&*path.to_string_lossy()));
    let size = |line: &str| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        number(end) - number(start)
    };
    ours.map(size).sum()
}

fn main_part(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let part = paths.find(|path| path.extension().is_some_and(|ending| ending == "faiss"));
    part.unwrap()
}

#[test]
fn a_kind_that_can_stay_in_its_file_does_and_finds_the_same_while_it_is_changed() {
    for (kind, can) in [
        ("IVF8,Flat", true),
        ("IVF8,SQ8", true),
        ("IVF8,PQ4x4", true),
        ("IVF8_HNSW8,Flat", true),
        ("RR16,IVF8,SQ8", true),
        ("IVF8,SQ8,RFlat", true),
        ("HNSW16", true),
        ("HNSW16_SQ8", true),
        ("L2norm,HNSW16", true),
        ("SQ8", true),
        ("PQ4x4", true),
        ("SQ8,RFlat", true),
        ("PQ8x4fs", false),
        ("IVF8,PQ8x4fs", false),
    ] {
        assert_eq!(Factory::parse(kind).unwrap().stays_in_file(), can);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        let saved = filled(kind);
        saved.save(&path, &stamp(3)).unwrap();
        let part = main_part(folder.path());
        let size = fs::metadata(&part).unwrap().len() as usize;
        assert_eq!(mapped_bytes(&part), 0, "{kind}");

        let in_memory = index(kind, 16);
        in_memory.load(&path, &stamp(3)).unwrap();
        assert_eq!(mapped_bytes(&part), 0, "{kind}");
        let opened = mapped(kind);
        opened.load(&path, &stamp(3)).unwrap();
        let there = |index: &FactoryIndex| (mapped_bytes(&part) >= size, index.waiting());
        assert_eq!(there(&opened), (can, 20), "{kind}");
        let expected = found(&saved);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(found(&opened), expected, "{kind}"));
            }
        });
        if !can {
            continue;
        }

        // More than an index in memory would leave waiting.
        for index in [&saved, &opened] {
            index.upsert(&borrowed(&clustered(30, 16, 5_000))).unwrap();
            assert_eq!(index.remove(&[5_000, 7, 1_995]).unwrap(), 3);
        }
        assert_eq!(found(&opened), found(&saved), "{kind}");
        opened
            .upsert(&borrowed(&clustered(1_500, 16, 6_000)))
            .unwrap();
        let before = found(&opened);
        assert_eq!(there(&opened), (true, 1_548), "{kind}");

        // Saved elsewhere it is whole there.
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("copy.bin");
        opened.save(&copy, &stamp(4)).unwrap();
        let again = mapped(kind);
        again.load(&copy, &stamp(4)).unwrap();
        assert!(mapped_bytes(&main_part(elsewhere.path())) >= size, "{kind}");
        assert_eq!(found(&again), before, "{kind}");

        // Merged it is in memory.
        opened.train().unwrap();
        assert_eq!(there(&opened), (false, 0), "{kind}");
        assert_eq!(opened.len(), again.len());
    }
}

#[test]
fn a_mapped_file_is_checked_by_its_size_and_its_ends_and_one_read_into_memory_by_every_byte() {
    const MIB: usize = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    let saved = index("IVF8,Flat", 16);
    saved.upsert(&borrowed(&clustered(40_000, 16, 0))).unwrap();
    saved.train().unwrap();
    saved.save(&path, &stamp(3)).unwrap();
    let part = main_part(folder.path());
    let whole = fs::read(&part).unwrap();
    assert!(whole.len() > 2 * MIB + 10);
    let changed = |position: usize| {
        let mut bytes = whole.clone();
        bytes[position] ^= 1;
        bytes
    };
    let last = whole.len() - 1;
    for (what, bytes, noticed) in [
        ("the first byte", changed(0), true),
        ("the first MiB's last byte", changed(MIB - 1), true),
        ("a byte in the middle", changed(whole.len() / 2), false),
        ("the last MiB's first byte", changed(last + 1 - MIB), true),
        ("the last byte", changed(last), true),
        ("a byte less", whole[..last].to_vec(), true),
        ("a byte more", [&whole[..], &[0]].concat(), true),
        ("nothing", Vec::new(), true),
    ] {
        // A file of its own: one that is mapped is not written to.
        fs::remove_file(&part).unwrap();
        fs::write(&part, bytes).unwrap();
        let refused = index("IVF8,Flat", 16).load(&path, &stamp(3)).unwrap_err();
        assert!(matches!(refused, IndexError::Damaged { .. }), "{what}");
        let opened = mapped("IVF8,Flat");
        match opened.load(&path, &stamp(3)) {
            Ok(()) => assert!(!noticed, "{what}"),
            Err(refused) => {
                assert!(noticed, "{what}");
                assert!(matches!(refused, IndexError::Damaged { .. }), "{what}");
                assert!(opened.is_empty());
            }
        }
    }
}
