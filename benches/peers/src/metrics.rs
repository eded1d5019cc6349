//! The same counters, histograms and page by other means.

use std::hint::black_box;

use llasta_benches::exercise::page::{BOUNDS, LABELS, counters, histograms, observations, total};
use llasta_benches::exercise::{Proof, Repeat, page};
use llasta_benches::measure::{Group, Variant};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use prometheus::TextEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::sink::v033::Metrics;

const STEPS: &str = "bench_steps_total";
const SECONDS: &str = "bench_step_duration_seconds";

fn repeat(
    operation: impl FnMut(usize) + 'static,
    mut seen: impl FnMut() -> u64 + 'static,
) -> Repeat {
    Repeat::new(
        operation,
        Proof::new(|| {}, move |total| assert_eq!(seen(), total, "values")),
    )
}

pub(crate) fn observations_variants() -> Vec<Variant> {
    vec![
        Variant::new(Group::Observation, "prometheus: counter", || {
            let counter = prometheus_counters().with_label_values(&counters()[0]);
            let seen = counter.clone();
            repeat(
                move |count| (0..count).for_each(|_| black_box(&counter).inc()),
                move || seen.get(),
            )
        }),
        Variant::new(Group::Observation, "prometheus: histogram", || {
            let histogram = prometheus_histograms().with_label_values(&histograms()[0]);
            let seen = histogram.clone();
            repeat(
                move |count| (0..count).for_each(|_| histogram.observe(black_box(0.3))),
                move || seen.get_sample_count(),
            )
        }),
        Variant::new(Group::Observation, "prometheus-client: counter", || {
            let counter = Counter::<u64>::default();
            let seen = counter.clone();
            repeat(
                move |count| {
                    for _ in 0..count {
                        black_box(&counter).inc();
                    }
                },
                move || seen.get(),
            )
        }),
        Variant::new(Group::Observation, "prometheus-client: histogram", || {
            let histogram = Histogram::new(BOUNDS.iter().copied());
            let seen = histogram.clone();
            repeat(
                move |count| (0..count).for_each(|_| histogram.observe(black_box(0.3))),
                move || count_of(&seen),
            )
        }),
        Variant::new(Group::Observation, "opentelemetry_sdk: counter", || {
            let metrics = Metrics::install();
            let counter = metrics.provider.meter("bench").u64_counter(STEPS).build();
            let labels = labels();
            repeat(
                move |count| (0..count).for_each(|_| counter.add(1, &labels)),
                move || metrics.seen()[STEPS].sum as u64,
            )
        }),
        Variant::new(Group::Observation, "opentelemetry_sdk: histogram", || {
            let metrics = Metrics::install();
            let histogram = metrics
                .provider
                .meter("bench")
                .f64_histogram(SECONDS)
                .with_boundaries(BOUNDS.to_vec())
                .build();
            let labels = labels();
            repeat(
                move |count| (0..count).for_each(|_| histogram.record(black_box(0.3), &labels)),
                move || metrics.seen()[SECONDS].count,
            )
        }),
    ]
}

fn labels() -> Vec<KeyValue> {
    let values = counters()[0];
    std::iter::zip(LABELS, values)
        .map(|(name, value)| KeyValue::new(name, value))
        .collect()
}

/// The page is the only place where it says how many values it has.
fn count_of(histogram: &Histogram) -> u64 {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("seen", "Values", histogram.clone());
    let mut page = String::new();
    encode(&mut page, &registry).expect("a string takes everything");
    page.lines()
        .find_map(|line| line.strip_prefix("seen_count "))
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

fn prometheus_counters() -> prometheus::IntCounterVec {
    let options = prometheus::Opts::new(STEPS, "Steps that were taken.");
    prometheus::IntCounterVec::new(options, &LABELS).expect("the name is allowed")
}

fn prometheus_histograms() -> prometheus::HistogramVec {
    let options =
        prometheus::HistogramOpts::new(SECONDS, "Seconds of one step.").buckets(BOUNDS.to_vec());
    prometheus::HistogramVec::new(options, &LABELS).expect("the name is allowed")
}

pub(crate) fn pages() -> Vec<Variant> {
    vec![
        Variant::new(Group::Page, "prometheus: text", || {
            let registry = prometheus::Registry::new();
            let (steps, seconds) = (prometheus_counters(), prometheus_histograms());
            for (place, labels) in counters().iter().enumerate() {
                steps.with_label_values(labels).inc_by(total(place));
            }
            for (place, labels) in histograms().iter().enumerate() {
                let histogram = seconds.with_label_values(labels);
                observations(place).for_each(|value| histogram.observe(value));
            }
            registry.register(Box::new(steps)).expect("a new name");
            registry.register(Box::new(seconds)).expect("a new name");
            page::pages(move || {
                TextEncoder::new()
                    .encode_to_string(&registry.gather())
                    .expect("a string takes everything")
            })
        }),
        Variant::new(Group::Page, "prometheus-client: OpenMetrics", || {
            type Labels = [(&'static str, &'static str); 3];
            let named = |values: &[&'static str; 3]| -> Labels {
                std::array::from_fn(|at| (LABELS[at], values[at]))
            };
            let steps = Family::<Labels, Counter>::default();
            let seconds = Family::<Labels, Histogram>::new_with_constructor(|| {
                Histogram::new(BOUNDS.iter().copied())
            });
            for (place, labels) in counters().iter().enumerate() {
                steps.get_or_create(&named(labels)).inc_by(total(place));
            }
            for (place, labels) in histograms().iter().enumerate() {
                let histogram = seconds.get_or_create(&named(labels));
                observations(place).for_each(|value| histogram.observe(value));
            }
            let mut registry = prometheus_client::registry::Registry::default();
            registry.register("bench_steps", "Steps that were taken", steps);
            registry.register(SECONDS, "Seconds of one step", seconds);
            let registry = std::rc::Rc::new(registry);
            page::pages(move || {
                let mut page = String::new();
                encode(&mut page, &registry).expect("a string takes everything");
                page
            })
        }),
    ]
}
