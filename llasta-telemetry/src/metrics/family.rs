//! All series of one metric.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use super::lines::{Head, Lines, takes_exemplars};
use super::page::{Page, escape_quoted};
use super::registry::Collect;
use crate::schema::{Instrument as Kind, LabelValues, MetricDef};

/// Most label texts that one metric tells apart; whatever comes after them is `other`.
const MOST_TEXTS: usize = 200;

/// What a family holds one of for each combination of labels.
pub trait Instrument: std::fmt::Debug + Send + Sync + 'static {
    /// The kind a metric must be declared as to be recorded with this.
    const KIND: Kind;

    /// A fresh instrument.
    fn new(def: &'static MetricDef) -> Self;

    /// What stands before its values on the page under this name, for `labels` as they stand
    /// between the braces.
    fn lines(def: &'static MetricDef, name: &str, labels: &str) -> Lines;

    /// Writes its lines: what stands before the values, and the values.
    fn render(&self, lines: &Lines, page: &mut Page);
}

/// All series of one metric. Cheap to clone: clones record into the same series.
#[derive(Debug)]
pub struct Family<M> {
    inner: Arc<Inner<M>>,
}

impl<M> Clone for Family<M> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

#[derive(Debug)]
struct Inner<M> {
    def: &'static MetricDef,
    head: Head,
    /// The same under the name the metric had before.
    old_head: Option<Head>,
    /// The series of a metric whose labels are all closed: there from the start.
    closed: Option<Arc<Block<M>>>,
    /// The series of a metric with text labels, a block for each combination of texts.
    texts: RwLock<Blocks<M>>,
}

/// Replaced as a whole when a combination comes, so that a page is written without the lock.
type Blocks<M> = Arc<[Arc<Block<M>>]>;

/// Every combination of the closed labels, for one combination of the text labels.
#[derive(Debug)]
struct Block<M> {
    texts: Box<[Box<str>]>,
    series: Box<[Series<M>]>,
    /// The lines of each series under the name the metric had before; empty when it had none.
    old_lines: Box<[Lines]>,
}

#[derive(Debug)]
struct Series<M> {
    lines: Lines,
    instrument: M,
}

/// One series, resolved: recording through it looks nothing up.
#[derive(Debug)]
pub struct Handle<M> {
    block: Arc<Block<M>>,
    index: usize,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            block: self.block.clone(),
            index: self.index,
        }
    }
}

impl<M> Deref for Handle<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.block.series[self.index].instrument
    }
}

impl<M: Instrument> Family<M> {
    pub(super) fn new(def: &'static MetricDef) -> Self {
        let text = def
            .labels
            .iter()
            .any(|label| matches!(label.values, LabelValues::Text));
        let closed = (!text).then(|| Arc::new(Block::new(def, &[])));
        Self {
            inner: Arc::new(Inner {
                def,
                head: Head::new(def),
                old_head: def.was.map(|was| Head::renamed(def, &was)),
                closed,
                texts: RwLock::new(Arc::new([])),
            }),
        }
    }

    /// The series at a place in the product of the closed labels. The methods that
    /// [`schema!`](crate::schema!) writes compute it.
    ///
    /// # Panics
    ///
    /// When the metric has text labels: their methods call [`with`](Self::with).
    #[doc(hidden)]
    #[inline]
    pub fn at(&self, index: usize) -> &M {
        match &self.inner.closed {
            Some(block) => &block.series[index].instrument,
            None => panic!("`{}` has a text label", self.inner.def.name),
        }
    }

    /// The same as a handle, which outlives the borrow.
    #[doc(hidden)]
    pub fn handle(&self, index: usize) -> Handle<M> {
        match &self.inner.closed {
            Some(block) => Handle {
                block: block.clone(),
                index,
            },
            None => panic!("`{}` has a text label", self.inner.def.name),
        }
    }

    /// The series of these texts, at a place in the product of the closed labels.
    #[doc(hidden)]
    pub fn with(&self, texts: &[&str], index: usize) -> Handle<M> {
        let find = |blocks: &[Arc<Block<M>>]| {
            let same = |block: &&Arc<Block<M>>| {
                block.texts.len() == texts.len()
                    && block.texts.iter().zip(texts).all(|(a, b)| **a == **b)
            };
            blocks.iter().find(same).map(|block| Handle {
                block: block.clone(),
                index,
            })
        };
        if let Some(handle) = find(
            &self
                .inner
                .texts
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        ) {
            return handle;
        }
        let mut blocks = self
            .inner
            .texts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = find(&blocks) {
            return handle;
        }
        if blocks.len() >= MOST_TEXTS {
            let other = vec!["other"; texts.len()];
            if let Some(block) = blocks
                .iter()
                .find(|block| block.texts.iter().all(|text| **text == *"other"))
            {
                return Handle {
                    block: block.clone(),
                    index,
                };
            }
            return Handle {
                block: self.add(&mut blocks, &other),
                index,
            };
        }
        Handle {
            block: self.add(&mut blocks, texts),
            index,
        }
    }

    fn add(&self, blocks: &mut Blocks<M>, texts: &[&str]) -> Arc<Block<M>> {
        let block = Arc::new(Block::new(self.inner.def, texts));
        *blocks = blocks.iter().chain([&block]).cloned().collect();
        block
    }
}

impl<M: Instrument> Block<M> {
    fn new(def: &'static MetricDef, texts: &[&str]) -> Self {
        // Later labels turn fastest, as in the index that the methods compute.
        let mut labels = vec![String::new()];
        let mut next_text = texts.iter();
        for label in def.labels {
            let text;
            let values: &[&str] = match label.values {
                LabelValues::Closed(values) => values,
                LabelValues::Text => {
                    text = [*next_text.next().unwrap_or(&"")];
                    &text
                }
            };
            labels = labels
                .iter()
                .flat_map(|so_far| {
                    values.iter().map(move |value| {
                        let new = join(so_far, label.name, value);
                        match label.was {
                            Some(was) => join(&new, was.name, value),
                            None => new,
                        }
                    })
                })
                .collect();
        }
        let old_lines = def.was.map_or_else(Box::default, |was| {
            let lines = labels.iter().map(|labels| M::lines(def, was.name, labels));
            lines.collect()
        });
        Self {
            texts: texts.iter().map(|text| Box::from(*text)).collect(),
            series: labels
                .into_iter()
                .map(|labels| Series {
                    lines: M::lines(def, def.name, &labels),
                    instrument: M::new(def),
                })
                .collect(),
            old_lines,
        }
    }
}

impl<M: Instrument> Block<M> {
    fn render(&self, page: &mut Page) {
        for series in &self.series {
            series.instrument.render(&series.lines, page);
        }
    }

    fn render_old(&self, page: &mut Page) {
        for (series, lines) in self.series.iter().zip(&self.old_lines) {
            series.instrument.render(lines, page);
        }
    }
}

fn join(so_far: &str, name: &str, value: &str) -> String {
    let comma = if so_far.is_empty() { "" } else { "," };
    let mut labels = format!("{so_far}{comma}{name}=\"");
    escape_quoted(value, &mut labels);
    labels.push('"');
    labels
}

impl<M: Instrument> Collect for Family<M> {
    fn def(&self) -> &'static MetricDef {
        self.inner.def
    }

    fn render(&self, page: &mut Page) {
        self.inner.head.render(page);
        if let Some(block) = &self.inner.closed {
            block.render(page);
        }
        let texts = self
            .inner
            .texts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for block in texts.iter() {
            block.render(page);
        }
        // All series once more: the lines of one family stand together.
        if let (Some(head), Some(was)) = (&self.inner.old_head, self.inner.def.was) {
            let takes = takes_exemplars(was.name, self.inner.def);
            head.render(page);
            page.with_exemplars(takes, |page| {
                for block in self.inner.closed.iter().chain(texts.iter()) {
                    block.render_old(page);
                }
            });
        }
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
