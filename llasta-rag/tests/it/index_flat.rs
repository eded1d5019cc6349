//! FAISS's flat index in two parts, as it is where a GPU searches it: the same results and the same file as
//! by blocks.

use std::fs;

use llasta_rag::index::{ExactIndex, FaissIndex, Index};

use super::index_factory::{borrowed, clustered};
use super::index_files::stamp;
use super::index_life::index;

/// 3,000 rows in the main part and 100 in the tail, of which some are gone.
fn filled() -> (impl Index, ExactIndex) {
    let (parts, exact) = (index("Flat", 16), ExactIndex::new(16).unwrap());
    for index in [&parts as &dyn Index, &exact] {
        index.upsert(&borrowed(&clustered(3_000, 16, 0))).unwrap();
        index.train().unwrap();
        index.upsert(&borrowed(&clustered(100, 16, 2_950))).unwrap();
        index.remove(&(40..90).collect::<Vec<_>>()).unwrap();
    }
    (parts, exact)
}

fn assert_same(a: &dyn Index, b: &dyn Index) {
    assert_eq!(a.len(), b.len());
    for (_, query) in clustered(20, 16, 1 << 40) {
        assert_eq!(a.search(&query, 30).unwrap(), b.search(&query, 30).unwrap());
        let among = (0..200).collect();
        let [a, b] = [a, b].map(|index| index.search_many(&[&query], 9, Some(&among)).unwrap());
        assert_eq!(a, b);
    }
}

#[test]
fn a_flat_index_of_two_parts_is_exact_to_the_last_digit() {
    let (parts, exact) = filled();
    assert!(parts.misses_none() && parts.scores_are_exact());
    assert_same(&parts, &exact);
}

#[test]
fn a_flat_index_moves_between_machines_whichever_way_they_search_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.bin");
    let (parts, exact) = filled();
    parts.save(&path, &stamp(1)).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let blocks = FaissIndex::new(16).unwrap();
    blocks.load(&path, &stamp(1)).unwrap();
    assert_same(&blocks, &exact);
    blocks.save(&path, &stamp(2)).unwrap();

    let again = index("Flat", 16);
    again.load(&path, &stamp(2)).unwrap();
    assert!(again.waiting() < 1024);
    assert_same(&again, &exact);
    again.upsert(&borrowed(&clustered(50, 16, 10))).unwrap();
    exact.upsert(&borrowed(&clustered(50, 16, 10))).unwrap();
    assert_same(&again, &exact);
}
