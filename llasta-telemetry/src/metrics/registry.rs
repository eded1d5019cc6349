//! The registry: every family of one [`Telemetry`](crate::Telemetry).

use std::any::Any;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::family::{Family, Instrument};
use super::foreign;
use super::page::{Format, Page};
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

#[derive(Default)]
struct Inner {
    families: RwLock<Vec<Box<dyn Collect>>>,
    foreign: RwLock<Vec<prometheus::Registry>>,
    /// Called before a page is written: gauges that are read rather than kept.
    refresh: RwLock<Vec<Box<dyn Fn() + Send + Sync>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self
            .inner
            .families
            .read()
            .unwrap_or_else(PoisonError::into_inner);
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
    /// When another metric of the same name is registered: two metrics under one name would make
    /// the whole page unreadable, so this shows at the first start.
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
        let family = Family::new(def);
        families.push(Box::new(family.clone()));
        family
    }

    /// Puts the metrics of a registry of the `prometheus` crate on the page, behind our own.
    pub fn join(&self, registry: prometheus::Registry) {
        self.inner
            .foreign
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(registry);
    }

    /// Calls `refresh` before each page: for gauges that are read rather than kept.
    pub fn before_page(&self, refresh: impl Fn() + Send + Sync + 'static) {
        self.inner
            .refresh
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(refresh));
    }

    /// The page as it is now.
    pub fn render(&self, format: Format) -> String {
        for refresh in self
            .inner
            .refresh
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            refresh();
        }
        let mut page = Page::new(format);
        for family in self
            .inner
            .families
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            family.render(&mut page);
        }
        for registry in self
            .inner
            .foreign
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            for family in &registry.gather() {
                foreign::render(family, &mut page);
            }
        }
        page.into_string()
    }

    /// What is registered, in the order of the page.
    pub fn definitions(&self) -> Vec<&'static MetricDef> {
        let families = self
            .inner
            .families
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        families.iter().map(|family| family.def()).collect()
    }
}
