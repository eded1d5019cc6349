//! The registry: every family of one [`Telemetry`](crate::Telemetry).

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use super::family::{Family, Instrument};
use super::foreign;
use super::format::Format;
use super::lines::{family as open_family, names};
use super::page::Page;
use crate::schema::MetricDef;

/// Something that has lines on the page.
pub trait Collect: Send + Sync + 'static {
    /// What the schema says of it.
    fn def(&self) -> &'static MetricDef;

    /// Writes its lines.
    fn render(&self, page: &mut Page);

    /// For the registry, which hands the same family out again.
    #[doc(hidden)]
    fn as_any(&self) -> &dyn Any;
}

/// Every family of one [`Telemetry`](crate::Telemetry). Cheap to clone: clones are the same.
#[derive(Clone, Default)]
pub struct Registry {
    inner: Arc<Inner>,
}

/// What is registered is replaced as a whole, so that a page is written without a lock.
#[derive(Default)]
struct Inner {
    families: RwLock<Arc<[Arc<dyn Collect>]>>,
    foreign: RwLock<Arc<[prometheus::Registry]>>,
    /// Called before a page is written: gauges that are read rather than kept.
    refresh: RwLock<Arc<[Arc<Refresh>]>>,
    /// The length of the last page, with what its exemplars may grow by.
    capacity: AtomicUsize,
}

type Refresh = dyn Fn() + Send + Sync;

fn now<T: ?Sized>(all: &RwLock<Arc<T>>) -> Arc<T> {
    all.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn push<T: Clone>(all: &RwLock<Arc<[T]>>, one: T) {
    let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
    *all = all.iter().cloned().chain([one]).collect();
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = now(&self.inner.families);
        f.debug_list()
            .entries(families.iter().map(|family| family.def().name))
            .finish()
    }
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The family of this definition: registered now, or the one that was.
    ///
    /// # Panics
    ///
    /// When another metric is registered that has the same name on the page, or a line of the same
    /// name: it would make the whole page unreadable, so this shows at the first start. To
    /// OpenMetrics a gauge `x` and a counter `x_total` have the same name. The name that a metric
    /// had before counts too.
    pub fn family<M: Instrument>(&self, def: &'static MetricDef) -> Family<M> {
        assert!(
            M::KIND == def.instrument,
            "`{}` is declared as a {}",
            def.name,
            def.instrument.name()
        );
        let mut families = self
            .inner
            .families
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = families.iter().find(|family| family.def().name == def.name) {
            let same = known.as_any().downcast_ref::<Family<M>>();
            return same.cloned().unwrap_or_else(|| {
                panic!("two metrics are named `{}`: rename one of them", def.name)
            });
        }
        let ours = names(def);
        if let Some(twice) = (1..ours.len()).find(|at| ours[..*at].contains(&ours[*at])) {
            let (name, both) = (def.name, &ours[twice]);
            panic!("`{name}` and its old name share the name `{both}`: no page can have both");
        }
        for family in families.iter() {
            let theirs = names(family.def());
            if let Some(both) = ours.iter().find(|name| theirs.contains(name)) {
                let (one, other) = (family.def().name, def.name);
                panic!("`{one}` and `{other}` share the name `{both}`: rename one of them");
            }
        }
        let family = Family::new(def);
        let new: Arc<dyn Collect> = Arc::new(family.clone());
        *families = families.iter().cloned().chain([new]).collect();
        family
    }

    /// Puts the metrics of a registry of the `prometheus` crate on the page, behind our own. One
    /// whose name is on the page already is left out: twice would make the page unreadable.
    pub fn join(&self, registry: prometheus::Registry) {
        push(&self.inner.foreign, registry);
    }

    /// Calls `refresh` before each page: for gauges that are read rather than kept.
    pub fn before_page(&self, refresh: impl Fn() + Send + Sync + 'static) {
        push(&self.inner.refresh, Arc::new(refresh) as Arc<Refresh>);
    }

    /// The page as it is now.
    pub fn render(&self, format: Format) -> String {
        for refresh in now(&self.inner.refresh).iter() {
            refresh();
        }
        let families = now(&self.inner.families);
        let capacity = self.inner.capacity.load(Relaxed).max(4096);
        let mut page = Page::new(format, capacity);
        for family in families.iter() {
            family.render(&mut page);
        }
        let foreign = now(&self.inner.foreign);
        if !foreign.is_empty() {
            render_foreign(&families, &foreign, &mut page);
        }
        let page = page.into_string();
        if page.len() > capacity {
            // Numbers grow by a digit now and then, and exemplars come.
            let capacity = page.len() + page.len() / 8;
            self.inner.capacity.fetch_max(capacity, Relaxed);
        }
        page
    }

    /// What is registered, in the order of the page.
    pub fn definitions(&self) -> Vec<&'static MetricDef> {
        now(&self.inner.families)
            .iter()
            .map(|family| family.def())
            .collect()
    }
}

fn render_foreign(ours: &[Arc<dyn Collect>], foreign: &[prometheus::Registry], page: &mut Page) {
    let mut taken: HashSet<String> = ours.iter().flat_map(|family| names(family.def())).collect();
    for registry in foreign {
        for family in &registry.gather() {
            let kind = foreign::kind(family);
            let (name, _) = open_family(family.name(), kind);
            if taken.insert(name.to_owned()) {
                foreign::render(family, kind, page);
            }
        }
    }
}
