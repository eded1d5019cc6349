//! Instruments, and the page they are read from.

use std::hint::black_box;

use llasta_telemetry::Sampler;
use llasta_telemetry::metrics::{Counter, Format, Handle, Histogram, Registry};
use llasta_telemetry::schema::rag::BuildContext;

use super::Observed;
use crate::exercise::{Proof, Repeat, page};
use crate::measure::{Group, Variant};

mod declared {
    use crate::exercise::page::{BOUNDS, Model, Phase, Region, Step};

    llasta_telemetry::schema! {
        /// The metrics of the benches.
        namespace bench;

        metrics PageMetrics {
            /// Steps that were taken.
            counter steps: "bench_steps_total" { region: Region, model: Model, step: Step },
            /// Seconds of one step.
            histogram seconds: "bench_step_duration_seconds" { region: Region, model: Model, step: Phase } buckets(BOUNDS) unit("s"),
        }
    }
}

use self::declared::PageMetrics;

pub(super) fn observations() -> Vec<Variant> {
    let mut variants = Vec::new();
    for (where_, sampled) in [("", false), (" in a sampled span", true)] {
        variants.push(Variant::new(
            Group::Observation,
            format!("SDK: counter{where_}"),
            move || {
                let counter = Metrics::new().counter(0);
                let seen = counter.clone();
                in_span(
                    sampled,
                    move |count| (0..count).for_each(|_| black_box(&counter).inc()),
                    move |total| assert_eq!(seen.value(), total),
                )
            },
        ));
        variants.push(Variant::new(
            Group::Observation,
            format!("SDK: histogram{where_}"),
            move || {
                let histogram = Metrics::new().histogram(0);
                let seen = histogram.clone();
                in_span(
                    sampled,
                    move |count| (0..count).for_each(|_| histogram.observe(black_box(0.3))),
                    move |total| assert_eq!(seen.count(), total),
                )
            },
        ));
    }
    variants
}

/// Does it with a sampled span as the current one, or without.
fn in_span(
    sampled: bool,
    mut operation: impl FnMut(usize) + 'static,
    verify: impl FnMut(u64) + 'static,
) -> Repeat {
    let observed = Observed::new(Sampler::AlwaysOn);
    let span = sampled.then(|| BuildContext::start_in(&observed.telemetry, 3, 4000));
    Repeat::new(
        move |count| {
            let _entered = span.as_ref().map(|span| span.enter());
            operation(count);
        },
        Proof::new(
            // The span's telemetry lives as long as the subject.
            move || {
                let _alive = &observed;
            },
            verify,
        ),
    )
}

pub(super) fn pages() -> Vec<Variant> {
    [
        ("SDK: text", Format::Text, false),
        ("SDK: OpenMetrics", Format::OpenMetrics, false),
        ("SDK: OpenMetrics with exemplars", Format::OpenMetrics, true),
    ]
    .into_iter()
    .map(|(title, format, exemplars)| {
        Variant::new(Group::Page, title, move || {
            let metrics = Metrics::new();
            if exemplars {
                let observed = Observed::new(Sampler::AlwaysOn);
                BuildContext::start_in(&observed.telemetry, 3, 4000).in_scope(|| metrics.fill());
            } else {
                metrics.fill();
            }
            page::pages(move || metrics.registry.render(format))
        })
    })
    .collect()
}

/// 200 series in a registry of their own.
#[derive(Clone)]
struct Metrics {
    registry: Registry,
    metrics: std::rc::Rc<PageMetrics>,
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let metrics = PageMetrics::register(&registry).into();
        Self { registry, metrics }
    }

    fn counter(&self, place: usize) -> Handle<Counter> {
        self.metrics.steps_family().handle(place)
    }

    fn histogram(&self, place: usize) -> Handle<Histogram> {
        self.metrics.seconds_family().handle(place)
    }

    fn fill(&self) {
        for place in 0..page::counters().len() {
            self.counter(place).add(page::total(place));
        }
        for place in 0..page::histograms().len() {
            let histogram = self.histogram(place);
            page::observations(place).for_each(|value| histogram.observe(value));
        }
    }
}
