//! Making a main part: the first one, one with the tail's rows added, one without the rows that are
//! gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::blocks::{rows_in, rows_of};
use super::ffi::{Native, with_threads};
use super::layered::View;
use super::sealed::{Live, Sealed};
use super::{Factory, IndexConfig, IndexError};

/// Rows added between two looks at whether to stop.
const STEP: usize = 256;

pub(super) struct Plan<'a> {
    pub(super) factory: &'a Factory,
    pub(super) config: &'a IndexConfig,
    pub(super) dimension: usize,
    /// How many vectors the first main part needs.
    pub(super) needed: usize,
    pub(super) stop: &'a AtomicBool,
}

/// Makes a main part of everything in a view; `None` where there is nothing to do or it was stopped.
pub(super) fn run(plan: &Plan<'_>, view: &View) -> Result<Option<(Sealed, Live)>, IndexError> {
    let tail = rows_in(&view.tail);
    let threads = plan.config.worker_threads();
    match &view.main {
        None if tail == 0 && plan.needed <= 1 => Ok(None),
        None => with_threads(threads, || plan.first(view, tail)),
        Some(main) if tail == 0 && view.live.count == main.native.len() => Ok(None),
        Some(main) => with_threads(threads, || plan.next(view, main)),
    }
}

/// A main part that is being made.
pub(super) struct Draft {
    native: Native,
    pub(super) keys: Vec<u64>,
    pub(super) places: HashMap<u64, usize>,
    live: Live,
}

impl Plan<'_> {
    fn first(&self, view: &View, given: usize) -> Result<Option<(Sealed, Live)>, IndexError> {
        if given < self.needed {
            return Err(IndexError::TooFewVectors {
                factory: self.factory.to_string(),
                needed: self.needed,
                given,
            });
        }
        let mut native = Native::factory(self.dimension, self.factory.as_str())?;
        if !native.is_trained() {
            // A copy of all rows would double what they take.
            let most = self.factory.training_limit(self.dimension);
            let mut values = Vec::with_capacity(most.min(given) * self.dimension);
            let mut rows = rows_of(&view.tail, self.dimension).enumerate();
            for chosen in spread(given, most) {
                if let Some((_, (_, row))) = rows.find(|(number, _)| *number == chosen) {
                    values.extend_from_slice(row);
                }
            }
            native.train(&values)?;
        }
        self.finish(Draft::new(native), view)
    }

    fn next(&self, view: &View, main: &Sealed) -> Result<Option<(Sealed, Live)>, IndexError> {
        let gone = main.native.len().saturating_sub(view.live.count);
        let draft = if gone * 4 >= main.native.len() {
            match self.compacted(view, main)? {
                Some(draft) => draft,
                None => return Ok(None),
            }
        } else {
            let mut draft = Draft {
                native: main.copied()?,
                keys: main.keys.clone(),
                places: HashMap::new(),
                live: Live::clone(&view.live),
            };
            draft.find_places();
            draft
        };
        self.finish(draft, view)
    }

    /// A copy without the rows that are gone. IVF keeps the labels of the others, flat kinds close the
    /// gaps. A graph cannot let go of a row: it is built again of its own vectors, on what it learnt.
    fn compacted(&self, view: &View, main: &Sealed) -> Result<Option<Draft>, IndexError> {
        let mut draft = Draft::new(main.copied()?);
        let removed = if self.factory.is_graph() {
            false
        } else {
            draft.native.keep(&view.live.bits).is_ok()
        };
        if removed && draft.native.lists().is_some() {
            draft.keys.clone_from(&main.keys);
            draft.live = Live::clone(&view.live);
            draft.find_places();
            return Ok(Some(draft));
        }
        let labels = (0..main.keys.len()).filter(|&label| view.live.holds(label));
        if removed {
            for label in labels {
                draft.name(main.keys[label]);
            }
            return Ok(Some(draft));
        }
        draft.native.reset()?;
        let labels: Vec<_> = labels.collect();
        for labels in labels.chunks(STEP) {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let mut values = vec![0.0; labels.len() * self.dimension];
            for (row, &label) in values.chunks_exact_mut(self.dimension).zip(labels) {
                main.native.reconstruct(label, row)?;
            }
            let keys: Vec<_> = labels.iter().map(|&label| main.keys[label]).collect();
            draft.add(&keys, &values)?;
        }
        Ok(Some(draft))
    }

    /// Adds the tail's rows.
    fn finish(&self, mut draft: Draft, view: &View) -> Result<Option<(Sealed, Live)>, IndexError> {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut rows = rows_of(&view.tail, self.dimension).peekable();
        while let Some((key, row)) = rows.next() {
            keys.push(key);
            values.extend_from_slice(row);
            if keys.len() == STEP || rows.peek().is_none() {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                draft.add(&keys, &values)?;
                keys.clear();
                values.clear();
            }
        }
        draft.sealed(self.factory, self.config).map(Some)
    }
}

/// Numbers below `all`, rising, as evenly as can be: all of them, or `most`.
fn spread(all: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = all.min(most);
    (0..taken).map(move |n| (n as u128 * all as u128 / taken as u128) as usize)
}

impl Draft {
    /// Begins with an index that is trained and has no vectors.
    pub(super) fn new(native: Native) -> Self {
        Self {
            native,
            keys: Vec::new(),
            places: HashMap::new(),
            live: Live::default(),
        }
    }

    pub(super) fn sealed(
        self,
        factory: &Factory,
        config: &IndexConfig,
    ) -> Result<(Sealed, Live), IndexError> {
        let sealed = Sealed::new(self.native, self.keys, self.places, factory, config)?;
        Ok((sealed, self.live))
    }

    /// Gives the next label to a key.
    fn name(&mut self, key: u64) {
        let label = self.keys.len();
        self.keys.push(key);
        self.places.insert(key, label);
        self.live.set(label);
    }

    /// Adds rows, and leaves none of them.
    pub(super) fn take(&mut self, rows: &mut Vec<(u64, Vec<f32>)>) -> Result<(), IndexError> {
        let keys: Vec<_> = rows.iter().map(|(key, _)| *key).collect();
        let values: Vec<_> = rows.drain(..).flat_map(|(_, row)| row).collect();
        self.add(&keys, &values)
    }

    fn find_places(&mut self) {
        let live = &self.live;
        let labels = self.keys.iter().copied().enumerate();
        let labels = labels.filter(|&(label, _)| live.holds(label));
        self.places = labels.map(|(label, key)| (key, label)).collect();
    }

    pub(super) fn add(&mut self, keys: &[u64], values: &[f32]) -> Result<(), IndexError> {
        if self.native.lists().is_some() {
            let first = self.keys.len() as i64;
            let labels: Vec<_> = (first..first + keys.len() as i64).collect();
            self.native.add_under(values, &labels)?;
        } else {
            self.native.add(values)?;
        }
        for &key in keys {
            self.name(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_takes_all_rows_or_as_many_as_may_be_from_first_to_last() {
        let all: Vec<_> = spread(7, 7).chain(spread(3, 100)).collect();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]);
        assert_eq!(spread(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(0, 4).count() + spread(4, 0).count(), 0);
        let some: Vec<_> = spread(1_000_003, 5_000).collect();
        assert_eq!(some.len(), 5_000);
        assert!(
            some.windows(2)
                .all(|pair| (200..=201).contains(&(pair[1] - pair[0])))
        );
        assert!(some[4_999] < 1_000_003 && some[4_999] > 999_800);
    }
}
