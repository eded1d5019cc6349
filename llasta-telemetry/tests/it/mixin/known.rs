//! What may be named: the schema, what the rules record, what others emit.

use std::collections::{BTreeMap, BTreeSet};

use llasta_telemetry::schema::{Instrument, LabelValues, Schema};
use serde_json::Value;

use super::queries::{mixin, rules};

/// The labels that the scrape adds to every series.
const SCRAPE: [&str; 6] = [
    "cluster",
    "container",
    "instance",
    "job",
    "namespace",
    "pod",
];

/// The services, which are also the scrapes' jobs.
pub(super) const SERVICES: [&str; 3] = ["chatbot-rag", "faiss-wrap", "vllm"];

/// Where a series comes from, and what it can be asked for.
pub(super) struct Series {
    /// Whether it only goes up.
    pub(super) counter: bool,
    labels: BTreeSet<String>,
    closed: BTreeMap<String, Vec<String>>,
    /// The bounds of the buckets, where `le` is a label and they are known.
    pub(super) buckets: Option<&'static [f64]>,
}

impl Series {
    pub(super) fn has(&self, label: &str) -> bool {
        self.labels.contains(label)
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str)
    }

    /// The values that a label takes, where they are a closed set.
    pub(super) fn values(&self, label: &str) -> Option<&[String]> {
        self.closed.get(label).map(Vec::as_slice)
    }

    fn new<'a>(counter: bool, labels: impl IntoIterator<Item = &'a str>) -> Self {
        let services = SERVICES.map(str::to_owned).to_vec();
        Self {
            counter,
            labels: labels
                .into_iter()
                .chain(SCRAPE)
                .map(str::to_owned)
                .collect(),
            closed: BTreeMap::from([
                ("job".to_owned(), services.clone()),
                ("service".to_owned(), services),
            ]),
            buckets: None,
        }
    }
}

pub(super) struct Known {
    pub(super) schema: Schema,
    series: BTreeMap<String, Series>,
    foreign: BTreeSet<String>,
    /// Spans that others make.
    spans: BTreeSet<String>,
    /// Attributes of those, and their types.
    attributes: BTreeMap<String, String>,
}

impl Known {
    /// `None` when the crate stands alone in a package archive, without the documents around it.
    pub(super) fn read() -> Option<Self> {
        let schema = Schema::contract();
        let mut series = BTreeMap::new();
        for metric in schema.metrics() {
            let names: Vec<&str> = metric.labels.iter().map(|label| label.name).collect();
            for (suffix, counter) in parts(metric.instrument.name()) {
                let mut one = Series::new(*counter, names.iter().copied());
                for label in metric.labels {
                    if let LabelValues::Closed(values) = label.values {
                        let values = values.iter().map(|value| (*value).to_owned());
                        one.closed.insert(label.name.to_owned(), values.collect());
                    }
                }
                if *suffix == "_bucket" {
                    one.labels.insert("le".to_owned());
                    one.buckets = Some(metric.buckets);
                }
                debug_assert!(*counter || metric.instrument == Instrument::Gauge);
                series.insert(format!("{}{suffix}", metric.name), one);
            }
        }

        let mut foreign = BTreeSet::new();
        let (mut spans, mut attributes) = (BTreeSet::new(), BTreeMap::new());
        let text = std::fs::read_to_string(mixin()?.join("foreign.json")).unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        for (emitter, entry) in list.as_object().unwrap() {
            let source = entry["source"].as_str().unwrap_or_default();
            assert!(source.starts_with("https://"), "{emitter} has no source");
            for (name, has) in entry["spans"].as_object().into_iter().flatten() {
                assert!(spans.insert(name.clone()), "{name} is listed twice");
                for (key, ty) in has.as_object().unwrap() {
                    attributes.insert(key.clone(), ty.as_str().unwrap().to_owned());
                }
            }
            for (name, metric) in entry["metrics"].as_object().unwrap() {
                let labels = [&entry["labels"], &metric["labels"]];
                let labels = labels
                    .into_iter()
                    .flat_map(|labels| labels.as_array().unwrap());
                let labels: Vec<&str> = labels.map(|label| label.as_str().unwrap()).collect();
                assert!(foreign.insert(name.clone()), "{name} is listed twice");
                for (suffix, counter) in parts(metric["type"].as_str().unwrap()) {
                    let mut one = Series::new(*counter, labels.iter().copied());
                    if *suffix == "_bucket" {
                        one.labels.insert("le".to_owned());
                    }
                    series.insert(format!("{name}{suffix}"), one);
                }
            }
        }

        for rule in rules()? {
            if let Some(name) = rule["record"].as_str() {
                let own = rule["labels"].as_mapping();
                let own = own
                    .into_iter()
                    .flatten()
                    .filter_map(|(key, _)| key.as_str());
                // What an aggregation keeps.
                let expression = rule["expr"].as_str().unwrap();
                let kept = expression.split("by (").skip(1);
                let kept = kept.flat_map(|rest| rest.split(')').next().unwrap().split(", "));
                series.insert(name.to_owned(), Series::new(false, own.chain(kept)));
            }
        }
        Some(Self {
            schema,
            series,
            foreign,
            spans,
            attributes,
        })
    }

    pub(super) fn series(&self, name: &str) -> Option<&Series> {
        self.series.get(name)
    }

    pub(super) fn foreign(&self) -> impl Iterator<Item = &str> {
        self.foreign.iter().map(String::as_str)
    }

    /// The type of an attribute, as the contract calls it.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let own = self.schema.key(name).map(|key| key.ty.name());
        own.or_else(|| self.attributes.get(name).map(String::as_str))
    }

    pub(super) fn is_a_span(&self, name: &str) -> bool {
        self.schema.span(name).is_some() || self.spans.contains(name)
    }

    pub(super) fn is_ours(&self, metric: &str) -> bool {
        self.schema.metric(metric).is_some()
    }

    /// Whether a word is a metric, or a series of one.
    pub(super) fn is_a_metric(&self, word: &str) -> bool {
        self.series.contains_key(word) || self.is_ours(word)
    }
}

/// What a metric of a type puts behind its name, and whether that only goes up.
fn parts(instrument: &str) -> &'static [(&'static str, bool)] {
    match instrument {
        "counter" => &[("", true)],
        "gauge" => &[("", false)],
        "histogram" => &[("_bucket", true), ("_sum", true), ("_count", true)],
        other => panic!("a metric of type {other}"),
    }
}
