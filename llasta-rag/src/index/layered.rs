//! Any index that FAISS's factory makes, with searches that never wait for changes.
//!
//! FAISS's own indexes are not made for change: a graph removes nothing, a quantiser must be trained
//! first, and none is searched while it is written to. So there are two parts. The **main part** is
//! sealed: a FAISS index whose rows are only ever marked as gone. The **tail** is the flat index by
//! blocks, exact, which takes every upsert at once. A search asks both and merges.
//!
//! When the tail has grown, a thread of its own copies the main part, adds the tail's rows and puts the
//! copy in the place of both; what changed meanwhile is known by its keys and stays in the tail. Before
//! there is a main part the tail waits for enough vectors to train on, and the index is `Flat`.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use super::blocks::{Snapshot, best, rows_in, rows_of, search};
use super::faiss::{FaissIndex, FlatRows};
use super::ffi::Native;
use super::gpu::{Gpus, MOST};
use super::merge::{self, Draft, Plan};
use super::sealed::{Live, Sealed};
use super::{Factory, Index, IndexConfig, IndexError, Neighbour, Stamp, check_vector};
use super::{file, kept};

/// The least tail that is worth a merge by itself, and the least main part.
const LEAST_TAIL: usize = 1024;
/// The tail is compared row by row, so it must not grow with the index.
const MOST_TAIL: usize = 16 * 1024;

/// An index of any kind that FAISS's factory makes: `IVF1024,Flat`, `HNSW32`, `IVF256,PQ64`, ….
///
/// The tail is merged when it has an eighth of the main part's rows, but at least 1,024 and at most
/// 16,384; the main part is made anew when a quarter of its rows are gone. A merge needs memory for a
/// second main part while it lasts; where the index stays in its file (see [`IndexConfig::mmap`]) only
/// [`train`](Index::train) starts one.
///
/// On a GPU ([`IndexConfig::device`]) there is a copy of the main part, made with every merge: the new one
/// beside the old where the GPU has room for both, else after it, and the CPU searches meanwhile. Filtered
/// searches and those for more than 2,048 results run on the CPU.
pub struct FactoryIndex {
    shared: Arc<Shared>,
}

struct Shared {
    factory: Factory,
    config: IndexConfig,
    dimension: usize,
    /// Where copies of the main part are searched, if not here.
    gpus: Option<Gpus>,
    /// How many vectors the first main part needs.
    needed: usize,
    /// Locked only to clone or to replace it.
    view: RwLock<Arc<View>>,
    /// Whoever changes the index holds this lock.
    writer: Mutex<Writer>,
    /// Told whenever a merge ends.
    merged: Condvar,
    stop: AtomicBool,
}

/// What a search holds on to. A key counts in one of the two parts at most.
#[derive(Debug)]
pub(super) struct View {
    pub(super) main: Option<Arc<Sealed>>,
    pub(super) live: Arc<Live>,
    pub(super) tail: Snapshot<FlatRows>,
}

struct Writer {
    tail: FaissIndex,
    /// The keys that changed since the running merge began.
    changed: Option<HashSet<u64>>,
    merging: bool,
    thread: Option<thread::JoinHandle<()>>,
    /// Counts what makes a running merge void: a reset or a loaded file.
    epoch: u64,
    /// After a merge that failed, the tail's length at which the next one is tried.
    patience: usize,
    /// Whether it was told what the tail waits for.
    told: bool,
}

impl FactoryIndex {
    /// An empty index.
    ///
    /// # Errors
    ///
    /// [`IndexError::NoDimension`], a factory string that FAISS refuses for this dimension, or a GPU that
    /// was asked for and cannot be used: [`IndexError::NotOnGpu`] and [`IndexError::Gpu`].
    pub fn new(
        dimension: usize,
        factory: &Factory,
        config: &IndexConfig,
    ) -> Result<Self, IndexError> {
        let gpus = Gpus::find(dimension, Some(factory), config)?;
        Self::on(dimension, factory, config, gpus)
    }

    /// An empty index whose main part is searched on these GPUs.
    pub(super) fn on(
        dimension: usize,
        factory: &Factory,
        config: &IndexConfig,
        gpus: Option<Gpus>,
    ) -> Result<Self, IndexError> {
        let trial = Native::factory(dimension, factory.as_str())?;
        if !trial.is_inner_product() {
            return Err(IndexError::Unsupported {
                factory: factory.to_string(),
                reason: "its scores are not inner products",
            });
        }
        let tail = FaissIndex::new(dimension)?;
        let view = View {
            main: None,
            live: Arc::default(),
            tail: tail.snapshot(),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                needed: factory.training_points(dimension).max(1),
                factory: factory.clone(),
                config: config.clone(),
                dimension,
                gpus,
                view: RwLock::new(Arc::new(view)),
                writer: Mutex::new(Writer {
                    tail,
                    changed: None,
                    merging: false,
                    thread: None,
                    epoch: 0,
                    patience: 0,
                    told: false,
                }),
                merged: Condvar::new(),
                stop: AtomicBool::new(false),
            }),
        })
    }

    /// How many vectors wait in the tail, where they are searched exactly.
    pub fn waiting(&self) -> usize {
        rows_in(&self.shared.view().tail)
    }

    /// How many rows of the main part are gone and still take room.
    pub fn gone(&self) -> usize {
        let view = self.shared.view();
        let rows = view.main.as_ref().map_or(0, |main| main.native.len());
        rows.saturating_sub(view.live.count)
    }
}

impl Drop for FactoryIndex {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.shared.lock().thread.take();
        // Ends at the next step. Left alone it might still compute while the process takes FAISS down.
        if let Some(Err(_)) = thread.map(thread::JoinHandle::join) {
            tracing::warn!("merging the index panicked");
        }
    }
}

impl Shared {
    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, view: View) {
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    /// Whoever panicked while changing the index left the published view whole; the store rebuilds
    /// what it did not see.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a merge is to begin now. A main part that stays in its file may be more than memory
    /// holds, and a merge needs all of it there: it waits until it is asked for.
    fn due(&self, writer: &Writer) -> bool {
        self.worth_it(writer) && !self.is_mapped()
    }

    fn is_mapped(&self) -> bool {
        let main = &self.view().main;
        main.as_ref()
            .is_some_and(|main| main.mapped_from().is_some())
    }

    /// Whether a merge is worth its cost now.
    fn worth_it(&self, writer: &Writer) -> bool {
        let view = self.view();
        let tail = rows_in(&view.tail);
        if tail < writer.patience {
            return false;
        }
        match &view.main {
            None => tail >= self.needed.max(LEAST_TAIL),
            Some(main) => {
                let rows = main.native.len();
                let gone = rows.saturating_sub(view.live.count);
                tail >= (rows / 8).clamp(LEAST_TAIL, MOST_TAIL) || gone >= LEAST_TAIL.max(rows / 4)
            }
        }
    }

    /// Starts a merge, if one is due and none runs.
    fn merge_if_due(self: &Arc<Self>, writer: &mut Writer) {
        if writer.merging || !self.worth_it(writer) {
            return;
        }
        if self.is_mapped() {
            if !writer.told {
                writer.told = true;
                tracing::warn!(
                    factory = %self.factory,
                    waiting = rows_in(&self.view().tail),
                    "what is new is searched one by one, because the index stays in its file: open it \
                     once in memory to have it merged"
                );
            }
            return;
        }
        writer.merging = true;
        let shared = Arc::clone(self);
        let run = move || {
            // A panic must not leave the others waiting for the end.
            let _end = End(&shared);
            shared.merge_while_due();
        };
        let spawned = thread::Builder::new()
            .name("llasta-index".to_owned())
            .spawn(run);
        match spawned {
            Ok(thread) => writer.thread = Some(thread),
            Err(error) => {
                writer.merging = false;
                tracing::warn!(%error, "no thread to merge the index");
            }
        }
    }

    fn merge_while_due(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let merged = self.merge();
            let mut writer = self.lock();
            if let Err(error) = merged {
                writer.patience = 2 * rows_in(&self.view().tail);
                tracing::warn!(%error, "merging the index failed: its tail goes on taking vectors");
            }
            if !self.due(&writer) {
                return;
            }
        }
    }

    /// Moves what the tail holds now into the main part. Only one merge may run.
    fn merge(&self) -> Result<(), IndexError> {
        let (view, epoch) = {
            let mut writer = self.lock();
            writer.changed = Some(HashSet::new());
            (self.view(), writer.epoch)
        };
        let plan = Plan {
            factory: &self.factory,
            config: &self.config,
            dimension: self.dimension,
            needed: self.needed,
            stop: &self.stop,
        };
        let made = merge::run(&plan, &view);
        let placed = match &made {
            Ok(Some((main, _))) => main.place(self.gpus.as_ref(), view.main.as_deref()),
            _ => Ok(()),
        };
        let mut writer = self.lock();
        let changed = writer.changed.take().unwrap_or_default();
        let Some((main, mut live)) = made? else {
            return Ok(());
        };
        placed?;
        if writer.epoch != epoch {
            return Ok(());
        }
        for key in &changed {
            if let Some(&label) = main.places.get(key) {
                live.clear(label);
            }
        }
        let moved = rows_of(&view.tail, self.dimension).map(|(key, _)| key);
        let moved: Vec<_> = moved.filter(|key| !changed.contains(key)).collect();
        writer.tail.remove(&moved)?;
        writer.patience = 0;
        tracing::info!(
            factory = %self.factory,
            vectors = live.count,
            merged = moved.len(),
            "index merged"
        );
        self.publish(View {
            main: Some(Arc::new(main)),
            live: Arc::new(live),
            tail: writer.tail.snapshot(),
        });
        Ok(())
    }

    /// Waits for the running merge, if any, and keeps others from starting until `End` is dropped.
    fn turn(&self) -> End<'_> {
        let mut writer = self.lock();
        while writer.merging {
            writer = self
                .merged
                .wait(writer)
                .unwrap_or_else(PoisonError::into_inner);
        }
        writer.merging = true;
        End(self)
    }
}

/// Says at its end that no merge runs any more.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let mut writer = self.0.lock();
        writer.merging = false;
        writer.changed = None;
        self.0.merged.notify_all();
    }
}

impl Index for FactoryIndex {
    fn factory(&self) -> Arc<str> {
        match self.shared.view().main {
            Some(_) => Arc::clone(self.shared.factory.as_str()),
            None => Arc::from("Flat"),
        }
    }

    fn device(&self) -> &str {
        let view = self.shared.view();
        let on_gpus = view.main.as_ref().is_some_and(|main| main.gpu().is_some());
        match &self.shared.gpus {
            Some(gpus) if on_gpus => gpus.name(),
            _ => "cpu",
        }
    }

    fn device_for(&self, k: usize, filtered: bool) -> &str {
        if filtered || k > MOST {
            return "cpu";
        }
        self.device()
    }

    fn dimension(&self) -> usize {
        self.shared.dimension
    }

    fn len(&self) -> usize {
        let view = self.shared.view();
        view.live.count + rows_in(&view.tail)
    }

    fn upsert(&self, rows: &[(u64, &[f32])]) -> Result<(), IndexError> {
        let shared = &self.shared;
        let mut writer = shared.lock();
        writer.tail.upsert(rows)?;
        let view = shared.view();
        let mut live = Arc::clone(&view.live);
        for (key, _) in rows {
            view.forget(&mut live, *key);
        }
        if let Some(changed) = &mut writer.changed {
            changed.extend(rows.iter().map(|(key, _)| key));
        }
        shared.publish(View {
            main: view.main.clone(),
            live,
            tail: writer.tail.snapshot(),
        });
        if view.main.is_none() && !writer.told && !rows.is_empty() {
            writer.told = true;
            let (needed, given) = (shared.needed.max(LEAST_TAIL), self.len());
            tracing::info!(
                factory = %shared.factory, needed, given,
                "the index searches exactly until it has the vectors it needs"
            );
        }
        shared.merge_if_due(&mut writer);
        Ok(())
    }

    fn remove(&self, ids: &[u64]) -> Result<usize, IndexError> {
        let shared = &self.shared;
        let mut writer = shared.lock();
        let mut removed = writer.tail.remove(ids)?;
        let view = shared.view();
        let mut live = Arc::clone(&view.live);
        for &key in ids {
            removed += usize::from(view.forget(&mut live, key));
        }
        if let Some(changed) = &mut writer.changed {
            changed.extend(ids);
        }
        shared.publish(View {
            main: view.main.clone(),
            live,
            tail: writer.tail.snapshot(),
        });
        shared.merge_if_due(&mut writer);
        Ok(removed)
    }

    fn search_many(
        &self,
        queries: &[&[f32]],
        k: usize,
        among: Option<&HashSet<u64>>,
    ) -> Result<Vec<Vec<Neighbour>>, IndexError> {
        for query in queries {
            check_vector(query, self.shared.dimension)?;
        }
        let view = self.shared.view();
        let mut found = search(&view.tail, queries, k, among)?;
        if let Some(main) = &view.main {
            let more = main.search(&view.live, queries, k, among)?;
            for (found, more) in found.iter_mut().zip(more) {
                found.extend(more);
                *found = best(std::mem::take(found), k);
            }
        }
        Ok(found)
    }

    fn scores_are_exact(&self) -> bool {
        self.shared.factory.scores_are_exact() || self.shared.view().main.is_none()
    }

    fn misses_none(&self) -> bool {
        let shared = &self.shared;
        shared.view().main.as_ref().is_none_or(|main| {
            shared.factory.is_flat() && main.gpu().is_none_or(|gpu| !gpu.is_half())
        })
    }

    fn train(&self) -> Result<(), IndexError> {
        let _end = self.shared.turn();
        self.shared.merge()
    }

    fn reset(&self) -> Result<(), IndexError> {
        let mut writer = self.shared.lock();
        writer.tail.reset()?;
        writer.epoch += 1;
        writer.patience = 0;
        self.shared.publish(View {
            main: None,
            live: Arc::default(),
            tail: writer.tail.snapshot(),
        });
        Ok(())
    }

    fn save(&self, path: &Path, stamp: &Stamp) -> Result<(), IndexError> {
        let shared = &self.shared;
        let view = shared.view();
        if shared.factory.is_flat() {
            // As the flat index by blocks writes itself, which reads it on a machine without a GPU.
            let main = view.main.iter().flat_map(|main| main.rows(&view.live));
            let rows = main.chain(rows_of(&view.tail, shared.dimension));
            file::write(path, stamp, view.live.count + rows_in(&view.tail), rows)?;
            kept::remove_others(path, None);
            return Ok(());
        }
        let main = match &view.main {
            Some(main) => Some((main, kept::write_main(path, main, &shared.factory)?)),
            None => None,
        };
        let parts = main
            .as_ref()
            .map(|(main, file)| (file, main.keys.as_slice(), view.live.bits.as_slice()));
        let rows = rows_of(&view.tail, shared.dimension);
        file::write_parts(path, stamp, rows_in(&view.tail), rows, parts)?;
        kept::remove_others(path, main.as_ref().map(|(_, file)| file));
        Ok(())
    }

    fn load(&self, path: &Path, expected: &Stamp) -> Result<(), IndexError> {
        let shared = &self.shared;
        let tail = FaissIndex::new(shared.dimension)?;
        let mut rows = Vec::new();
        let mut flat = match shared.factory.is_flat() {
            true => Some(Draft::new(Native::factory(shared.dimension, "Flat")?)),
            false => None,
        };
        let part = file::read(path, expected, |key, row| {
            rows.push((key, row.to_vec()));
            match &mut flat {
                Some(flat) if rows.len() == LEAST_TAIL => flat.take(&mut rows),
                _ => Ok(()),
            }
        })?;
        let flat = flat.filter(|flat| !flat.keys.is_empty());
        let borrowed: Vec<_> = rows
            .iter()
            .map(|(key, row)| (*key, row.as_slice()))
            .collect();
        tail.upsert(&borrowed)?;
        let (main, live) = match (part, flat) {
            (None, None) => (None, Live::default()),
            (None, Some(flat)) => {
                if flat.places.len() != flat.keys.len() {
                    return Err(file::damaged(path, "a key occurs twice"));
                }
                let (main, live) = flat.sealed(&shared.factory, &shared.config)?;
                (Some(main), live)
            }
            (Some(_), Some(_)) => return Err(file::damaged(path, "a flat index has one part")),
            (Some(part), None) => {
                let opened = kept::open_main(
                    path,
                    part,
                    shared.dimension,
                    &shared.factory,
                    &shared.config,
                );
                let (main, live) = opened?;
                (Some(main), live)
            }
        };
        let twice = |key| {
            main.as_ref()
                .is_some_and(|main| main.places.contains_key(key))
        };
        if tail.len() != rows.len() || rows.iter().any(|(key, _)| twice(key)) {
            return Err(file::damaged(path, "a key occurs twice"));
        }
        if let Some(main) = &main {
            main.place(shared.gpus.as_ref(), shared.view().main.as_deref())?;
        }
        let mut writer = shared.lock();
        writer.epoch += 1;
        writer.patience = 0;
        writer.told = false;
        shared.publish(View {
            main: main.map(Arc::new),
            live: Arc::new(live),
            tail: tail.snapshot(),
        });
        writer.tail = tail;
        shared.merge_if_due(&mut writer);
        Ok(())
    }
}

impl View {
    /// Marks a key's row in the main part as gone, and says whether it counted until now.
    fn forget(&self, live: &mut Arc<Live>, key: u64) -> bool {
        let label = self.main.as_ref().and_then(|main| main.places.get(&key));
        match label {
            Some(&label) if live.holds(label) => {
                Arc::make_mut(live).clear(label);
                true
            }
            _ => false,
        }
    }
}

impl fmt::Debug for FactoryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactoryIndex")
            .field("factory", &self.shared.factory)
            .field("dimension", &self.shared.dimension)
            .field("len", &self.len())
            .field("waiting", &self.waiting())
            .finish()
    }
}
