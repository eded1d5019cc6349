//! The part of a [`FactoryIndex`](super::FactoryIndex) that FAISS searches. It never changes: which of
//! its rows still count is said from outside.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::blocks::{Rows, best};
use super::exact::dot;
use super::faiss::FlatRows;
use super::ffi::{Narrowed, Native, Opening, one_thread};
use super::file::MainFile;
use super::gpu::{GpuCopy, Gpus, MOST};
use super::{Factory, IndexConfig, IndexError, Neighbour};

/// What a graph looks through when nothing is set; FAISS's own default, 16, finds too little.
const EF_SEARCH: usize = 64;

/// Which rows still count, one bit per label, the lowest of the first byte first.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    pub(super) bits: Vec<u8>,
    pub(super) count: usize,
}

impl Live {
    pub(super) fn holds(&self, label: usize) -> bool {
        self.bits
            .get(label / 8)
            .is_some_and(|byte| byte >> (label % 8) & 1 == 1)
    }

    pub(super) fn set(&mut self, label: usize) {
        if label / 8 >= self.bits.len() {
            self.bits.resize(label / 8 + 1, 0);
        }
        self.count += usize::from(!self.holds(label));
        self.bits[label / 8] |= 1 << (label % 8);
    }

    pub(super) fn clear(&mut self, label: usize) {
        if self.holds(label) {
            self.bits[label / 8] &= !(1 << (label % 8));
            self.count -= 1;
        }
    }
}

/// A FAISS index with the keys of its labels.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) native: Native,
    /// The key of each label. After a compaction labels of an IVF index may be without a vector.
    pub(super) keys: Vec<u64>,
    /// The label of each key; whether it still counts is for the live bits to say.
    pub(super) places: HashMap<u64, usize>,
    /// Lists and lists looked into, of an IVF index.
    lists: Option<(usize, usize)>,
    /// Whether FAISS leaves out rows that are not allowed; if not, more are asked for and filtered.
    selects: bool,
    /// A graph whose vectors can be read back one by one.
    readable_graph: bool,
    /// What was written of it, so that it is written once.
    pub(super) written: OnceLock<MainFile>,
    /// The file in which the rows stayed, where they did.
    mapped: Option<PathBuf>,
    /// Whether it is FAISS's plain list of vectors, whose scores are computed again as the flat index by
    /// blocks computes them.
    flat: bool,
    /// Its copy on GPUs, as long as there is one.
    gpu: RwLock<Option<Arc<GpuCopy>>>,
}

impl Sealed {
    /// Takes an index and the keys of its labels, and sets how wide searches look.
    pub(super) fn new(
        mut native: Native,
        keys: Vec<u64>,
        places: HashMap<u64, usize>,
        factory: &Factory,
        config: &IndexConfig,
    ) -> Result<Self, IndexError> {
        let lists = native.lists().map(|lists| {
            let usual = (lists as f64).sqrt().ceil() as usize;
            (lists, config.nprobe.unwrap_or(usual).clamp(1, lists))
        });
        if let Some((_, nprobe)) = lists {
            native.set("nprobe", nprobe)?;
        }
        let graph = factory.is_graph();
        if graph {
            native.set("efSearch", config.ef_search.unwrap_or(EF_SEARCH))?;
        }
        let mut sealed = Self {
            native,
            keys,
            places,
            lists,
            selects: false,
            readable_graph: false,
            written: OnceLock::new(),
            mapped: None,
            flat: factory.is_flat(),
            gpu: RwLock::default(),
        };
        // Not every kind can leave rows out or read a vector back, and none says so beforehand.
        let mut probe = vec![0.0; sealed.native.dimension()];
        let narrowed = Narrowed {
            allowed: Some(&[1]),
            nprobe: lists.map(|(_, nprobe)| nprobe),
        };
        one_thread();
        sealed.selects = sealed.native.search(&probe, 1, narrowed).is_ok();
        sealed.readable_graph = graph && sealed.native.reconstruct(0, &mut probe).is_ok();
        Ok(sealed)
    }

    /// A second FAISS index with the same rows, in memory.
    pub(super) fn copied(&self) -> Result<Native, IndexError> {
        match self.mapped_from() {
            // What stays in its file cannot be copied, only read again.
            Some(path) => Native::open(path, Opening::Read),
            None => self.native.try_clone(),
        }
    }

    /// The same, which was opened from a file and may have stayed there.
    pub(super) fn kept_in(mut self, written: MainFile, mapped: Option<PathBuf>) -> Self {
        self.written = OnceLock::from(written);
        self.mapped = mapped;
        self
    }

    /// The file in which the rows stayed.
    pub(super) fn mapped_from(&self) -> Option<&Path> {
        self.mapped.as_deref()
    }

    /// Copies it to GPUs, if there are any. The one that it takes the place of makes room where both do not
    /// fit.
    pub(super) fn place(&self, gpus: Option<&Gpus>, old: Option<&Self>) -> Result<(), IndexError> {
        let Some(gpus) = gpus else {
            return Ok(());
        };
        let taken = old.and_then(Self::gpu).map_or(0, |gpu| gpu.bytes());
        let leave = || {
            tracing::warn!(
                "the GPU has no room for two indexes: the CPU searches until it has the new one"
            );
            if let Some(old) = old {
                old.leave_gpus();
            }
        };
        match gpus.upload(&self.native, taken, leave) {
            Ok(copy) => self.move_to(copy),
            Err(error) if gpus.falls_back() => {
                tracing::warn!(%error, "the index is searched on the CPU");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Searches run on this copy from now on.
    pub(super) fn move_to(&self, gpu: GpuCopy) {
        *self.gpu.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(gpu));
    }

    /// Searches run on the CPU from now on; returns when the GPUs' memory is free.
    pub(super) fn leave_gpus(&self) {
        let left = self
            .gpu
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(gpu) = left {
            gpu.close();
        }
    }

    /// The copy on GPUs that searches run on.
    pub(super) fn gpu(&self) -> Option<Arc<GpuCopy>> {
        self.gpu
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The vectors of FAISS's plain list, one after the other; of another kind, none.
    pub(super) fn flat_values(&self) -> &[f32] {
        if self.flat {
            self.native.flat_values()
        } else {
            &[]
        }
    }

    /// Every row of FAISS's plain list that counts, under its key.
    pub(super) fn rows(&self, live: &Live) -> impl Iterator<Item = (u64, &[f32])> {
        let rows = self.flat_values().chunks_exact(self.native.dimension());
        let labelled = self.keys.iter().copied().zip(rows).enumerate();
        labelled.filter_map(|(label, row)| live.holds(label).then_some(row))
    }

    /// The at most `k` nearest rows that count, for each query.
    pub(super) fn search(
        &self,
        live: &Live,
        queries: &[&[f32]],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError> {
        let chosen = among.map(|keys| self.live_among(live, keys));
        let allowed = chosen.as_ref().unwrap_or(live);
        let k = k.min(allowed.count);
        if k == 0 {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let Some(gpu) = self.gpu().filter(|_| among.is_none() && k <= MOST) else {
            return self.search_here(allowed, queries, k, among.is_some());
        };
        let found = self.search_there(&gpu, live, queries, k)?;
        let numbered = found.into_iter().zip(queries);
        numbered
            .map(|(found, &query)| match found {
                Some(found) => Ok(found),
                None => {
                    let here = self.search_here(live, &[query], k, false)?;
                    Ok(here.into_iter().next().unwrap_or_default())
                }
            })
            .collect()
    }

    /// The same on GPUs; `None` for a query that is left to the CPU. FAISS's GPU indexes find rows that
    /// are gone too, so more are asked for, and they find at most [`MOST`].
    fn search_there(
        &self,
        gpu: &GpuCopy,
        live: &Live,
        queries: &[&[f32]],
        k: usize,
    ) -> Result<Vec<Option<Vec<Neighbour>>>, IndexError> {
        let rows = self.native.len();
        let most = rows.min(MOST);
        let wanted = if gpu.is_half() { 4 * k } else { k };
        let gone = (rows as u128 * 2 * wanted as u128 / live.count.max(1) as u128) as usize;
        let usual = if live.count < rows { gone } else { wanted };
        let mut found = vec![None; queries.len()];
        for take in [(usual + 8).clamp(k.min(most), most), most] {
            let open: Vec<_> = (0..queries.len()).filter(|&n| found[n].is_none()).collect();
            let asked: Vec<_> = open.iter().map(|&number| queries[number]).collect();
            if asked.is_empty() {
                break;
            }
            let hits = match gpu.search(asked.concat(), take) {
                Ok(Some(hits)) => hits,
                Ok(None) => break,
                Err(error) if gpu.falls_back() => {
                    tracing::warn!(%error, "searching on the GPU failed: the index is searched on the CPU");
                    self.leave_gpus();
                    break;
                }
                Err(error) => return Err(error),
            };
            for (place, &number) in open.iter().enumerate() {
                let hits: Vec<_> = hits.of(place).take(take).collect();
                // With fewer hits than asked for the lists had no more: the CPU looks into others.
                let all = take == rows || hits.len() < take;
                let sure = all || gpu.is_half() || !self.flat || self.no_ties(&hits, live, k);
                let counting = self.counting(queries[number], hits.into_iter(), live);
                if sure && counting.len() >= k {
                    found[number] = Some(best(counting, k));
                }
            }
            if take == most {
                break;
            }
        }
        Ok(found)
    }

    /// Whether no row beyond the last hit may tie with the `k`-th that counts, once rounding is put aside.
    fn no_ties(&self, hits: &[(usize, f32)], live: &Live, k: usize) -> bool {
        let mut counting = hits.iter().filter(|&&(label, _)| live.holds(label));
        let (Some(&(_, worst)), Some(&(_, last))) = (counting.nth(k.max(1) - 1), hits.last())
        else {
            return false;
        };
        last < FlatRows::doubtful(worst)
    }

    /// The same on the CPU.
    fn search_here(
        &self,
        allowed: &Live,
        queries: &[&[f32]],
        k: usize,
        filtered: bool,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError> {
        one_thread();
        let wide = self.width(k, allowed, filtered);
        if wide.exact {
            return queries
                .iter()
                .map(|query| self.scan(allowed, query, k))
                .collect();
        }
        let hits = self.ask(&queries.concat(), &wide, allowed)?;
        let found = queries.iter().enumerate();
        found
            .map(|(number, query)| {
                let found = self.counting(query, hits.of(number), allowed);
                if found.len() >= k {
                    Ok(best(found, k))
                } else {
                    self.widen(query, k, wide, allowed)
                }
            })
            .collect()
    }

    fn live_among(&self, live: &Live, keys: &HashSet<u64>) -> Live {
        let mut chosen = Live {
            bits: vec![0; live.bits.len()],
            count: 0,
        };
        for key in keys {
            match self.places.get(key) {
                Some(&label) if live.holds(label) => chosen.set(label),
                _ => {}
            }
        }
        chosen
    }

    /// How wide to look at first. The fewer rows are allowed, the more lists are looked into, so that
    /// as many allowed rows are compared as without a filter. A graph walks over rows that are not
    /// allowed too: it is asked for as many more, or left out where comparing each allowed row costs
    /// less (a walk compares about 32 rows for each one asked for).
    fn width(&self, k: usize, allowed: &Live, filtered: bool) -> Width {
        let rows = self.keys.len();
        let more = |n: usize| (n as u128 * rows as u128 / allowed.count.max(1) as u128) as usize;
        let mut wide = Width {
            // Some more, for ties at the last place.
            take: (k + 8).min(rows),
            nprobe: self.lists.map(|(_, nprobe)| nprobe),
            exact: false,
            everywhere: !filtered,
        };
        if let Some((lists, nprobe)) = self.lists.filter(|_| filtered) {
            wide.nprobe = Some(more(nprobe).clamp(nprobe, lists));
        }
        if self.readable_graph && filtered {
            wide.take = more(2 * k).clamp(wide.take, rows);
            wide.exact = allowed.count < wide.take.saturating_mul(32);
        } else if !self.selects {
            wide.take = more(2 * k).clamp(wide.take, rows);
        } else if self.mapped.is_some() && wide.everywhere && allowed.count < self.native.len() {
            // See `ask`: what is gone is found too, and left out afterwards.
            wide.take = more(2 * k).clamp(wide.take, rows);
        }
        wide
    }

    fn ask(
        &self,
        queries: &[f32],
        wide: &Width,
        allowed: &Live,
    ) -> Result<super::ffi::Hits, IndexError> {
        let usual = self.lists.map(|(_, nprobe)| nprobe);
        if self.mapped.is_some()
            && wide.everywhere
            && wide.nprobe == usual
            && let Some(hits) = self.native.search_lists(queries, wide.take)?
        {
            return Ok(hits);
        }
        // A selector is asked about every row, so there is none where all rows count. Labels without a
        // row, as a compaction leaves them, are no rows.
        let narrows = self.selects && allowed.count < self.native.len();
        let narrowed = Narrowed {
            allowed: narrows.then_some(allowed.bits.as_slice()),
            nprobe: wide
                .nprobe
                .filter(|_| self.selects && (narrows || wide.nprobe != usual)),
        };
        self.native.search(queries, wide.take, narrowed)
    }

    /// What a search found and still counts. FAISS is not relied on to have left out the rest.
    fn counting(
        &self,
        query: &[f32],
        hits: impl Iterator<Item = (usize, f32)>,
        allowed: &Live,
    ) -> Vec<Neighbour> {
        let rows = self.flat_values();
        let counting = hits.filter(|&(label, _)| allowed.holds(label));
        let named = counting.filter_map(|(label, score)| {
            let &id = self.keys.get(label)?;
            let row = rows.get(label * query.len()..(label + 1) * query.len());
            let score = row.map_or(score, |row| dot(query, row));
            Some(Neighbour { id, score })
        });
        named.collect()
    }

    /// Looks wider and wider until there are `k` results or everything was looked at.
    fn widen(
        &self,
        query: &[f32],
        k: usize,
        mut wide: Width,
        allowed: &Live,
    ) -> Result<Vec<Neighbour>, IndexError> {
        let rows = self.keys.len();
        let lists = self.lists.map_or(0, |(lists, _)| lists);
        let all = |wide: &Width| wide.take >= rows && wide.nprobe.is_none_or(|n| n >= lists);
        loop {
            let was_all = all(&wide);
            if !was_all {
                wide.take = wide.take.saturating_mul(2).min(rows);
                wide.nprobe = wide.nprobe.map(|nprobe| (nprobe * 2).min(lists));
            }
            let found = self.counting(query, self.ask(query, &wide, allowed)?.of(0), allowed);
            if found.len() >= k {
                return Ok(best(found, k));
            }
            if was_all || all(&wide) {
                // A graph may hold rows that no walk reaches.
                return if self.readable_graph {
                    self.scan(allowed, query, k)
                } else {
                    Ok(best(found, k))
                };
            }
        }
    }

    /// Compares each allowed row, as the index keeps it.
    fn scan(&self, allowed: &Live, query: &[f32], k: usize) -> Result<Vec<Neighbour>, IndexError> {
        let mut row = vec![0.0; query.len()];
        let mut found = Vec::with_capacity(allowed.count);
        for (label, &id) in self.keys.iter().enumerate() {
            if allowed.holds(label) {
                self.native.reconstruct(label, &mut row)?;
                let score = dot(query, &row);
                found.push(Neighbour { id, score });
            }
        }
        Ok(best(found, k))
    }
}

/// How wide a search looks.
#[derive(Clone, Copy)]
struct Width {
    take: usize,
    nprobe: Option<usize>,
    exact: bool,
    /// Whether every row that is not gone is allowed.
    everywhere: bool,
}
