//! What FAISS answers with an abort, or with silence, is an error here.

use llasta_rag::index::{Factory, FactoryIndex, Index, IndexConfig, IndexError, IndexKind};

use super::index_factory::{borrowed, clustered};

fn index(kind: &str, dimension: usize) -> Result<FactoryIndex, IndexError> {
    FactoryIndex::new(dimension, &Factory::parse(kind)?, &IndexConfig::default())
}

#[test]
fn what_does_not_fit_is_refused_when_the_index_is_made() {
    for (kind, dimension) in [
        ("IVF4,PQ7", 24),
        ("PQ48", 24),
        ("IVF4,PQ5x4fs", 24),
        ("IVF99999999999999999999,Flat", 8),
        ("IVF1000000000,Flat", 8),
        ("HNSW1000000000", 8),
        ("PQ4x64", 8),
        ("IVF4,Nonsense", 8),
        ("IVF4", 8),
        ("Flat,Flat", 8),
        ("SQ7", 8),
        ("PCA4", 8),
        ("OPQ8,IVF4,PQ8", 24),
        ("HNSW32", 0),
        ("IVF4,LSH", 8),
        ("LSH", 8),
        ("ZnLattice3x10_6", 9),
        ("RR1000000000,Flat", 8),
        ("Pad1000000000,Flat", 8),
        ("RQ1000000000x8", 8),
        ("IMI2x40,Flat", 8),
    ] {
        let refused = index(kind, dimension);
        assert!(refused.is_err(), "{kind} for {dimension}: {refused:?}");
        assert!(!refused.unwrap_err().to_string().is_empty());
    }
}

#[test]
fn training_on_too_few_vectors_says_how_many_are_needed_and_the_index_goes_on() {
    for (kind, needed) in [
        ("IVF16,Flat", 624),
        ("PQ4x4", 624),
        ("SQ8", 1024),
        ("HNSW16", 1),
    ] {
        let index = index(kind, 16).unwrap();
        let rows = clustered(needed - 1, 16, 0);
        index.upsert(&borrowed(&rows)).unwrap();
        let refused = index.train();
        if needed == 1 {
            refused.unwrap();
            continue;
        }
        match refused {
            Err(IndexError::TooFewVectors {
                needed: told,
                given,
                ..
            }) => {
                assert_eq!((told, given), (needed, needed - 1), "{kind}");
            }
            other => panic!("{kind}: {other:?}"),
        }
        assert_eq!(&*index.factory(), "Flat");
        assert_eq!(index.search(&rows[3].1, 1).unwrap()[0].id, 3);
        index.upsert(&borrowed(&clustered(1, 16, 1 << 30))).unwrap();
        index.train().unwrap();
        assert_eq!(&*index.factory(), kind);
    }
}

#[test]
fn wrong_vectors_and_queries_are_refused_by_both_parts_and_change_nothing() {
    for kind in ["IVF4,Flat", "HNSW16", "SQ8"] {
        let index = index(kind, 16).unwrap();
        index.upsert(&borrowed(&clustered(2_000, 16, 0))).unwrap();
        for _ in ["tail", "main part"] {
            for wrong in [vec![0.5; 15], vec![0.5; 32], Vec::new()] {
                let refused = index.upsert(&[(1, &wrong)]).unwrap_err();
                assert!(matches!(refused, IndexError::Dimension { .. }));
                let refused = index.search(&wrong, 3).unwrap_err();
                assert!(matches!(refused, IndexError::Dimension { .. }));
            }
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut wrong = vec![0.5; 16];
                wrong[7] = value;
                let refused = index.upsert(&[(1, &wrong)]).unwrap_err();
                assert!(matches!(refused, IndexError::NotFinite { position: 7, .. }));
                let refused = index.search(&wrong, 3).unwrap_err();
                assert!(matches!(refused, IndexError::NotFinite { position: 7, .. }));
            }
            assert_eq!(index.len(), 2_000);
            index.train().unwrap();
        }
    }
}

#[test]
fn a_k_of_nothing_or_beyond_everything_is_answered_with_what_there_is() {
    for kind in ["IVF4,Flat", "HNSW16", "SQ8", "PQ4x4fs", "SQ8,RFlat"] {
        let index = index(kind, 16).unwrap();
        let query = vec![0.25; 16];
        assert!(index.search(&query, usize::MAX).unwrap().is_empty());
        index.upsert(&borrowed(&clustered(1_500, 16, 0))).unwrap();
        index.train().unwrap();
        assert_eq!(index.waiting(), 0);
        index.upsert(&borrowed(&clustered(10, 16, 5_000))).unwrap();
        assert!(index.search(&query, 0).unwrap().is_empty());
        for k in [1_509, 1_510, 1_511, 1 << 40, usize::MAX] {
            assert_eq!(
                index.search(&query, k).unwrap().len(),
                k.min(1_510),
                "{kind}"
            );
        }
        assert!(index.search_many(&[], 5, None).unwrap().is_empty());
    }
}

#[test]
fn vectors_that_are_all_alike_or_zero_are_trained_on_and_found() {
    for value in [0.0, 0.25] {
        for kind in [
            "IVF4,Flat",
            "HNSW16",
            "SQ8",
            "PQ4x4",
            "PCA8,Flat",
            "ITQ,SQ8",
        ] {
            let index = index(kind, 16).unwrap();
            let row = vec![value; 16];
            let rows: Vec<_> = (0..2_000_u64).map(|key| (key, row.as_slice())).collect();
            index.upsert(&rows).unwrap();
            index.train().unwrap();
            assert_eq!(index.search(&[0.25; 16], 20).unwrap().len(), 20, "{kind}");
        }
    }
}

#[test]
fn a_kind_that_faiss_has_and_this_index_has_not_says_why() {
    for (kind, reason) in [
        ("IDMap,Flat", "keys"),
        ("LSH", "inner products"),
        ("NSG32", "HNSW"),
        ("OPQ16,IVF256,PQ16", "PCA"),
    ] {
        let message = kind.parse::<IndexKind>().unwrap_err().to_string();
        assert!(message.contains(reason), "{message}");
    }
}
