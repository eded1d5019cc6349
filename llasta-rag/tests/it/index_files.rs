//! An index of two parts on disk: whole, of the right kind and generation, or refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use llasta_rag::index::{Factory, FactoryIndex, Index, IndexConfig, IndexError, IndexKind, Stamp};

use super::index_factory::{borrowed, clustered};
use super::index_life::index;

const KINDS: [&str; 7] = [
    "IVF8,Flat",
    "HNSW16",
    "IVF8,SQ8",
    "SQ8",
    "HNSW16_SQ8",
    "IVF8,PQ4x4",
    "SQ8,RFlat",
];

pub(super) fn stamp(generation: u64) -> Stamp {
    Stamp {
        generation,
        dimension: 16,
        model: "m".to_owned(),
    }
}

pub(super) fn mapped(kind: &str) -> FactoryIndex {
    let mut config = IndexConfig::default();
    config.mmap = true;
    FactoryIndex::new(16, &Factory::parse(kind).unwrap(), &config).unwrap()
}

/// 2,000 rows in the main part, of which 50 are gone, and 20 in the tail.
pub(super) fn filled(kind: &str) -> FactoryIndex {
    let index = index(kind, 16);
    index.upsert(&borrowed(&clustered(2_000, 16, 0))).unwrap();
    index.train().unwrap();
    index.upsert(&borrowed(&clustered(20, 16, 1_990))).unwrap();
    index.remove(&(100..140).collect::<Vec<_>>()).unwrap();
    index
}

pub(super) fn found(index: &dyn Index) -> BTreeMap<u64, (u64, i64)> {
    let queries = clustered(5, 16, 1 << 40);
    let mut all = BTreeMap::new();
    for (number, query) in &queries {
        for neighbour in index.search(query, 40).unwrap() {
            let score = (f64::from(neighbour.score) * 1e4).round() as i64;
            all.insert(number * 10_000 + neighbour.id, (neighbour.id, score));
        }
    }
    all
}

fn main_parts(folder: &Path) -> usize {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".faiss"))
        .count()
}

#[test]
fn a_saved_index_of_two_parts_is_the_same_after_loading_and_can_be_changed() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.bin");
        let saved = filled(kind);
        saved.save(&path, &stamp(3)).unwrap();
        assert_eq!(main_parts(folder.path()), 1, "{kind}");
        for loaded in [index(kind, 16), mapped(kind)] {
            loaded.load(&path, &stamp(3)).unwrap();
            assert_eq!(&*loaded.factory(), kind);
            assert_eq!(
                (loaded.len(), loaded.waiting(), loaded.gone()),
                (1_970, 20, 50)
            );
            assert_eq!(found(&loaded), found(&saved), "{kind}");
            loaded.upsert(&borrowed(&clustered(30, 16, 5_000))).unwrap();
            assert_eq!(loaded.remove(&[5_000, 7, 1_995]).unwrap(), 3);
            assert_eq!(
                loaded.search(&[0.25; 16], 5_000).unwrap().len(),
                1_997,
                "{kind}"
            );
            loaded.train().unwrap();
            assert_eq!((loaded.len(), loaded.waiting()), (1_997, 0), "{kind}");
            assert_eq!(
                loaded.search(&[0.25; 16], 5_000).unwrap().len(),
                1_997,
                "{kind}"
            );
        }
    }
}

#[test]
fn a_second_save_replaces_the_main_part_and_an_unchanged_one_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    let saved = filled("IVF8,Flat");
    saved.save(&path, &stamp(3)).unwrap();
    let loaded = mapped("IVF8,Flat");
    loaded.load(&path, &stamp(3)).unwrap();
    let before = found(&loaded);
    saved.remove(&[1]).unwrap();
    saved.save(&path, &stamp(4)).unwrap();
    assert_eq!(main_parts(folder.path()), 1);
    saved.train().unwrap();
    saved.save(&path, &stamp(5)).unwrap();
    assert_eq!(main_parts(folder.path()), 1);
    // What is open stays whole, though its file has another name or none by now.
    assert_eq!(found(&loaded), before);
    let stale = loaded.load(&path, &stamp(4)).unwrap_err();
    assert!(matches!(stale, IndexError::Stale { .. }), "{stale}");
    loaded.load(&path, &stamp(5)).unwrap();
    assert_eq!(found(&loaded), found(&saved));
    saved.reset().unwrap();
    saved.save(&path, &stamp(6)).unwrap();
    assert_eq!(main_parts(folder.path()), 0);
}

#[test]
fn an_index_saved_under_two_names_is_whole_under_each() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let saved = filled("IVF8,Flat");
    saved.save(&one, &stamp(3)).unwrap();
    saved.save(&other, &stamp(3)).unwrap();
    let before = found(&saved);
    saved.train().unwrap();
    // The first main part under this name goes, and only that one.
    saved.save(&one, &stamp(4)).unwrap();
    assert_eq!(main_parts(folder.path()), 2);
    for (path, generation) in [(&one, 4), (&other, 3)] {
        let loaded = index("IVF8,Flat", 16);
        loaded.load(path, &stamp(generation)).unwrap();
        assert_eq!(found(&loaded), before);
    }
}

#[test]
fn a_damaged_or_missing_main_part_is_refused_and_the_index_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    filled("IVF8,Flat").save(&path, &stamp(3)).unwrap();
    let mut names = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let main = names
        .find(|path| path.extension().is_some_and(|ending| ending == "faiss"))
        .unwrap();
    let whole = fs::read(&main).unwrap();
    let index = index("IVF8,Flat", 16);
    index.upsert(&borrowed(&clustered(3, 16, 0))).unwrap();
    let refuse = |what: &str| {
        for opened in [&index, &mapped("IVF8,Flat")] {
            let refused = opened.load(&path, &stamp(3)).unwrap_err();
            assert!(
                matches!(refused, IndexError::Damaged { .. }),
                "{what}: {refused}"
            );
        }
        assert_eq!((index.len(), index.waiting()), (3, 3));
    };
    for position in (0..whole.len()).step_by(whole.len() / 25) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x40;
        fs::write(&main, bytes).unwrap();
        refuse("a changed byte");
    }
    fs::write(&main, &whole[..whole.len() / 2]).unwrap();
    refuse("half a file");
    fs::remove_file(&main).unwrap();
    refuse("no file");
    fs::write(&main, &whole).unwrap();
    index.load(&path, &stamp(3)).unwrap();
    assert_eq!(index.len(), 1_970);
}

#[test]
fn a_file_of_another_kind_is_refused_and_plain_rows_are_taken_by_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    filled("IVF8,Flat").save(&path, &stamp(3)).unwrap();
    for kind in ["HNSW16", "exact", "faiss"] {
        let other = kind.parse::<IndexKind>().unwrap().create(16).unwrap();
        let refused = other.load(&path, &stamp(3)).unwrap_err();
        assert!(
            matches!(refused, IndexError::OtherKind { .. }),
            "{kind}: {refused}"
        );
    }
    let exact = IndexKind::Exact.create(16).unwrap();
    exact.upsert(&borrowed(&clustered(1_200, 16, 0))).unwrap();
    exact.save(&path, &stamp(4)).unwrap();
    let index = index("HNSW16", 16);
    index.load(&path, &stamp(4)).unwrap();
    index.train().unwrap();
    assert_eq!((index.len(), index.waiting()), (1_200, 0));
}
