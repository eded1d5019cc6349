//! All declarations together, at run time.

use std::collections::BTreeMap;
use std::fmt;

use super::{KeyDef, MetricDef, Namespace, Owner, SpanDef};

/// The keys, spans and metrics of several declarations, looked up by name.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    namespaces: Vec<&'static Namespace>,
    keys: BTreeMap<&'static str, (&'static KeyDef, &'static Namespace)>,
    spans: BTreeMap<&'static str, (&'static SpanDef, &'static Namespace)>,
    metrics: BTreeMap<&'static str, (&'static MetricDef, &'static Namespace)>,
    /// What each was before, a key, a span or a metric, and its name then.
    old: BTreeMap<(&'static str, &'static str), &'static Namespace>,
    /// Keys that were renamed, by both of their names.
    renamed_keys: BTreeMap<&'static str, &'static KeyDef>,
}

/// Two declarations say different things under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// What clashes: a key, a span or a metric.
    pub what: &'static str,
    /// The name both use.
    pub name: &'static str,
    /// Where the first declaration stands.
    pub first: &'static str,
    /// Where the second declaration stands.
    pub second: &'static str,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            name,
            first,
            second,
        } = self;
        write!(
            f,
            "the {what} `{name}` is declared at {first} and at {second}: rename one of them"
        )
    }
}

impl std::error::Error for Clash {}

impl Schema {
    /// Nothing yet; [`add`](Self::add) declarations.
    pub fn new() -> Self {
        Self::default()
    }

    /// The telemetry contract: everything this crate declares.
    ///
    /// # Panics
    ///
    /// Never: a test keeps the contract free of clashes.
    pub fn contract() -> Self {
        use super::{
            chatbot, embedding, faiss, faiss_wrap, http, llm, otel, process, rag, resource,
            response, sdk, vllm,
        };

        let mut schema = Self::new();
        for namespace in [
            &rag::NAMESPACE,
            &llm::NAMESPACE,
            &faiss::NAMESPACE,
            &embedding::NAMESPACE,
            &response::NAMESPACE,
            &http::NAMESPACE,
            &otel::NAMESPACE,
            &resource::NAMESPACE,
            &chatbot::NAMESPACE,
            &faiss_wrap::NAMESPACE,
            &vllm::NAMESPACE,
            &sdk::NAMESPACE,
            &process::NAMESPACE,
        ] {
            schema
                .add(namespace)
                .expect("the contract's own declarations do not clash");
        }
        for span in [&http::SERVER, &http::CLIENT] {
            schema.spans.insert(span.name, (span, &http::NAMESPACE));
        }
        schema
    }

    /// Adds a declaration.
    ///
    /// # Errors
    ///
    /// A name that another declaration uses already, or one that had it before. Nothing of the new
    /// one is added then.
    pub fn add(&mut self, namespace: &'static Namespace) -> Result<(), Clash> {
        if self.has(namespace) {
            return Ok(());
        }
        for (what, name) in names(namespace) {
            if let Some(first) = self.declared(what, name) {
                return Err(Clash {
                    what,
                    name,
                    first: first.declared_at,
                    second: namespace.declared_at,
                });
            }
        }
        self.namespaces.push(namespace);
        self.keys.extend(
            namespace
                .keys
                .iter()
                .map(|key| (key.name, (*key, namespace))),
        );
        self.spans.extend(
            namespace
                .spans
                .iter()
                .map(|span| (span.name, (*span, namespace))),
        );
        let metrics = namespace.metrics.iter().copied().flatten();
        self.metrics
            .extend(metrics.map(|metric| (metric.name, (metric, namespace))));
        self.old
            .extend(old_names(namespace).map(|name| (name, namespace)));
        for key in namespace.keys {
            if let Some(was) = key.was {
                self.renamed_keys
                    .extend([(was.name, *key), (key.name, *key)]);
            }
        }
        Ok(())
    }

    /// The declaration that has this name now or had it before.
    fn declared(&self, what: &'static str, name: &'static str) -> Option<&'static Namespace> {
        let now = match what {
            KEY => self.namespace_of_key(name),
            SPAN => self.namespace_of_span(name),
            _ => self.namespace_of_metric(name),
        };
        now.or_else(|| self.old.get(&(what, name)).copied())
    }

    /// Adds every declaration of another schema. What both have in common is no clash.
    ///
    /// # Errors
    ///
    /// A name that both use for different things. Nothing of the declaration that holds it is added
    /// then, nor of those behind it.
    pub fn merge(&mut self, other: &Self) -> Result<(), Clash> {
        for namespace in &other.namespaces {
            self.add(namespace)?;
        }
        // Spans that stand outside of their namespace's list, as those of HTTP do.
        for (name, entry) in &other.spans {
            self.spans.entry(name).or_insert(*entry);
        }
        Ok(())
    }

    fn has(&self, namespace: &'static Namespace) -> bool {
        self.namespaces
            .iter()
            .any(|known| std::ptr::eq(*known, namespace) || place(known) == place(namespace))
    }

    /// The declarations, in the order they were added.
    pub fn namespaces(&self) -> &[&'static Namespace] {
        &self.namespaces
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static KeyDef> {
        self.keys.get(name).map(|(key, _)| *key)
    }

    /// The span of this name.
    pub fn span(&self, name: &str) -> Option<&'static SpanDef> {
        self.spans.get(name).map(|(span, _)| *span)
    }

    /// The metric of this name.
    pub fn metric(&self, name: &str) -> Option<&'static MetricDef> {
        self.metrics.get(name).map(|(metric, _)| *metric)
    }

    /// The key that was renamed and has this name now or had it before.
    pub fn renamed_key(&self, name: &str) -> Option<&'static KeyDef> {
        self.renamed_keys.get(name).copied()
    }

    /// The declaration that this key belongs to.
    pub fn namespace_of_key(&self, name: &str) -> Option<&'static Namespace> {
        self.keys.get(name).map(|(_, namespace)| *namespace)
    }

    /// The declaration that this span belongs to.
    pub fn namespace_of_span(&self, name: &str) -> Option<&'static Namespace> {
        self.spans.get(name).map(|(_, namespace)| *namespace)
    }

    /// The declaration that this metric belongs to.
    pub fn namespace_of_metric(&self, name: &str) -> Option<&'static Namespace> {
        self.metrics.get(name).map(|(_, namespace)| *namespace)
    }

    /// The services that have metrics of their own, by name, each once.
    pub fn services(&self) -> Vec<&'static str> {
        let mut services: Vec<_> = self
            .namespaces
            .iter()
            .filter_map(|namespace| match namespace.owner {
                Owner::Service(name) => Some(name),
                Owner::Anyone | Owner::Everyone => None,
            })
            .collect();
        services.sort_unstable();
        services.dedup();
        services
    }

    /// The metrics that the page of this service has: its own and those that every service has.
    pub fn metrics_of(&self, service: &str) -> impl Iterator<Item = &'static MetricDef> {
        self.namespaces
            .iter()
            .filter(move |namespace| match namespace.owner {
                Owner::Service(name) => name == service,
                Owner::Everyone => true,
                Owner::Anyone => false,
            })
            .flat_map(|namespace| namespace.metrics.iter().copied().flatten())
    }

    /// All keys, by name.
    pub fn keys(&self) -> impl Iterator<Item = &'static KeyDef> + '_ {
        self.keys.values().map(|(key, _)| *key)
    }

    /// All spans, by name.
    pub fn spans(&self) -> impl Iterator<Item = &'static SpanDef> + '_ {
        self.spans.values().map(|(span, _)| *span)
    }

    /// All metrics, by name.
    pub fn metrics(&self) -> impl Iterator<Item = &'static MetricDef> + '_ {
        self.metrics.values().map(|(metric, _)| *metric)
    }

    /// Whether an attribute of this name would be one of ours, declared or not: it lies in a
    /// namespace whose names nobody else defines.
    pub fn owns(&self, attribute: &str) -> bool {
        let Some((first, _)) = attribute.split_once('.') else {
            return false;
        };
        self.namespaces
            .iter()
            .any(|namespace| !namespace.foreign && namespace.name == first)
    }
}

/// Where a declaration stands in its crate. One that was exported and read back, or compiled in
/// another folder, stands where it came from.
fn place(namespace: &Namespace) -> [&'static str; 3] {
    let at = namespace.declared_at;
    let in_crate = at.rsplit_once("src/").map_or(at, |(_, file)| file);
    [namespace.name, namespace.version, in_crate]
}

const KEY: &str = "key";
const SPAN: &str = "span";
const METRIC: &str = "metric";

/// What each declared thing is and what it is called, old names behind the new ones.
fn names(namespace: &'static Namespace) -> impl Iterator<Item = (&'static str, &'static str)> {
    let metrics = namespace.metrics.iter().copied().flatten();
    let keys = namespace.keys.iter().map(|key| (KEY, key.name));
    let spans = namespace.spans.iter().map(|span| (SPAN, span.name));
    keys.chain(spans)
        .chain(metrics.map(|metric| (METRIC, metric.name)))
        .chain(old_names(namespace))
}

/// The same for the names they had before.
fn old_names(namespace: &'static Namespace) -> impl Iterator<Item = (&'static str, &'static str)> {
    let metrics = namespace.metrics.iter().copied().flatten();
    let keys = namespace.keys.iter().map(|key| (KEY, key.was));
    let spans = namespace.spans.iter().map(|span| (SPAN, span.was));
    keys.chain(spans)
        .chain(metrics.map(|metric| (METRIC, metric.was)))
        .filter_map(|(what, was)| Some((what, was?.name)))
}
