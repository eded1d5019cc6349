//! A copy of an index on GPUs, as a search sees it.

use std::fmt;

use super::super::IndexError;
use super::super::ffi::Hits;
use super::queue::{Queue, Searcher};

/// The copies of one index, on one GPU or on several.
pub(in crate::index) struct GpuCopy {
    queue: Queue<Box<dyn Searcher>>,
    half: bool,
    falls_back: bool,
    bytes: u64,
}

impl GpuCopy {
    pub(super) fn new(
        dimension: usize,
        copies: Vec<Box<dyn Searcher>>,
        half: bool,
        falls_back: bool,
    ) -> Self {
        Self {
            queue: Queue::new(dimension, copies),
            half,
            falls_back,
            bytes: 0,
        }
    }

    /// The same, which takes so many bytes of each GPU.
    #[cfg(feature = "faiss-gpu")]
    pub(super) fn of_bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// Bytes that it takes of each GPU, about.
    pub(in crate::index) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether flat vectors are in half precision there.
    pub(in crate::index) fn is_half(&self) -> bool {
        self.half
    }

    /// Whether the CPU may take over where a search fails.
    pub(in crate::index) fn falls_back(&self) -> bool {
        self.falls_back
    }

    /// At least the `take` nearest of each query, at most [`MOST`](super::MOST); `None` where the copy was
    /// let go of.
    pub(in crate::index) fn search(
        &self,
        queries: Vec<f32>,
        take: usize,
    ) -> Result<Option<Hits>, IndexError> {
        self.queue.search(queries, take)
    }

    /// Frees the GPUs' memory, once the running searches have ended.
    pub(in crate::index) fn close(&self) {
        self.queue.close();
    }
}

impl fmt::Debug for GpuCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuCopy")
            .field("half", &self.half)
            .finish_non_exhaustive()
    }
}

/// FAISS on the CPU in a GPU's place, with a GPU's limits: no selectors, at most so many results.
#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::super::ffi::{Narrowed, Native, failed};
    use super::super::super::merge::Draft;
    use super::super::super::sealed::{Live, Sealed};
    use super::super::super::{Factory, IndexConfig, Neighbour};
    use super::super::MOST;
    use super::*;

    const ROWS: usize = 3000;

    struct Stand {
        native: Native,
        asked: Arc<AtomicUsize>,
        fails: bool,
    }

    impl Searcher for Stand {
        fn search(&mut self, queries: &[f32], take: usize) -> Result<Hits, IndexError> {
            assert!(take <= MOST);
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.fails {
                return Err(failed("cudaMalloc error out of memory".to_owned()));
            }
            self.native.search(queries, take, Narrowed::default())
        }
    }

    /// Vectors on a circle, a few of them equal, under keys from 10.
    fn values(count: usize) -> (Vec<u64>, Vec<f32>) {
        let keys = (10..10 + count as u64).collect();
        let angle = |row: usize| (row / 2 * 2) as f32 * 0.002;
        let values = (0..count).flat_map(|row| [angle(row).cos(), angle(row).sin()]);
        (keys, values.collect())
    }

    fn sealed(kind: &str) -> (Sealed, Live) {
        let factory = Factory::parse(kind).unwrap();
        let (keys, values) = values(ROWS);
        let mut native = Native::factory(2, kind).unwrap();
        if !native.is_trained() {
            native.train(&values).unwrap();
        }
        let mut draft = Draft::new(native);
        draft.add(&keys, &values).unwrap();
        draft.sealed(&factory, &IndexConfig::default()).unwrap()
    }

    fn moved(sealed: &Sealed, falls_back: bool, fails: bool) -> Arc<AtomicUsize> {
        let asked = Arc::new(AtomicUsize::new(0));
        let stand = Stand {
            native: sealed.copied().unwrap(),
            asked: Arc::clone(&asked),
            fails,
        };
        sealed.move_to(GpuCopy::new(2, vec![Box::new(stand)], false, falls_back));
        asked
    }

    fn both(kind: &str, k: usize, forget: impl Fn(usize) -> bool) -> usize {
        let (sealed, mut live) = sealed(kind);
        (0..ROWS)
            .filter(|&label| forget(label))
            .for_each(|label| live.clear(label));
        let queries: [&[f32]; 3] = [&[1.0, 0.0], &[0.0, 1.0], &[-0.6, 0.8]];
        let on_cpu = sealed.search(&live, &queries, k, None).unwrap();
        let asked = moved(&sealed, false, false);
        let on_gpu = sealed.search(&live, &queries, k, None).unwrap();
        let close = |a: &Neighbour, b: &Neighbour| (a.score - b.score).abs() < 1e-6;
        for (cpu, gpu) in on_cpu.iter().zip(&on_gpu) {
            assert_eq!(cpu.len(), gpu.len());
            assert!(
                cpu.iter()
                    .zip(gpu)
                    .all(|(a, b)| a.id == b.id && close(a, b)),
                "{kind} {k}"
            );
        }
        asked.load(Ordering::Relaxed)
    }

    #[test]
    fn a_copy_finds_what_the_index_itself_finds_ties_and_rows_that_are_gone_included() {
        for k in [1, 5, 100] {
            assert_eq!(both("Flat", k, |_| false), 1);
            assert_eq!(both("Flat", k, |label| label % 5 == 0), 1);
        }
        // The nearest of the first query are gone: the first look finds too few, the second enough.
        assert_eq!(both("Flat", 10, |label| label < 500), 2);
    }

    #[test]
    fn what_a_copy_cannot_find_is_found_on_the_cpu() {
        assert_eq!(both("Flat", MOST + 1, |_| false), 0);
        assert_eq!(both("Flat", 500, |label| label < 2100), 1);
        // Lists with too few rows: the CPU looks into more of them.
        assert!(both("IVF16,Flat", 900, |_| false) > 0);
    }

    #[test]
    fn a_filtered_search_does_not_ask_the_copy() {
        let (sealed, live) = sealed("Flat");
        let asked = moved(&sealed, false, false);
        let among = [11, 700].into();
        let found = sealed
            .search(&live, &[&[1.0, 0.0]], 5, Some(&among))
            .unwrap();
        assert_eq!(found[0].iter().map(|n| n.id).collect::<Vec<_>>(), [11, 700]);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn where_a_search_fails_the_cpu_takes_over_only_if_it_may() {
        let (sealed, live) = sealed("Flat");
        moved(&sealed, false, true);
        let error = sealed.search(&live, &[&[1.0, 0.0]], 5, None).unwrap_err();
        assert!(error.to_string().contains("out of memory"), "{error}");
        assert!(sealed.gpu().is_some());
        let asked = moved(&sealed, true, true);
        for _ in 0..2 {
            let found = sealed.search(&live, &[&[1.0, 0.0]], 5, None).unwrap();
            assert_eq!(found[0].len(), 5);
        }
        assert!(sealed.gpu().is_none());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
