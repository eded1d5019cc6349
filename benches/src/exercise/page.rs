//! A metrics page of 200 series: 160 counters and 40 histograms of eleven buckets, three labels each.

use llasta_telemetry::schema::LabelSet;

use super::{Proof, Repeat};

/// Where it runs.
#[derive(Debug, Clone, Copy, LabelSet)]
#[allow(missing_docs, reason = "they are names of places")]
pub enum Region {
    EuropeWest,
    EuropeNorth,
    AmericaEast,
    AmericaWest,
    AsiaSouth,
}

/// What answers.
#[derive(Debug, Clone, Copy, LabelSet)]
#[allow(missing_docs, reason = "they are names of models")]
pub enum Model {
    Small,
    Medium,
    Large,
    Embedding,
}

/// What is counted.
#[derive(Debug, Clone, Copy, LabelSet)]
#[allow(missing_docs, reason = "they are steps of one request")]
pub enum Step {
    Receive,
    Embed,
    Search,
    Filter,
    Build,
    Generate,
    Send,
    Log,
}

/// What is timed.
#[derive(Debug, Clone, Copy, LabelSet)]
#[allow(missing_docs, reason = "they are halves of one request")]
pub enum Phase {
    Retrieval,
    Generation,
}

/// The bounds of the histograms, in seconds.
pub const BOUNDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The label names of both metrics.
pub const LABELS: [&str; 3] = ["region", "model", "step"];

/// The labels of the counters, in the order of the page.
pub fn counters() -> Vec<[&'static str; 3]> {
    product(Step::VALUES)
}

/// The labels of the histograms, in the order of the page.
pub fn histograms() -> Vec<[&'static str; 3]> {
    product(Phase::VALUES)
}

fn product(last: &'static [&'static str]) -> Vec<[&'static str; 3]> {
    let mut all = Vec::new();
    for region in Region::VALUES {
        for model in Model::VALUES {
            all.extend(last.iter().map(|step| [*region, *model, *step]));
        }
    }
    all
}

/// The value of a counter by its place.
pub fn total(place: usize) -> u64 {
    1_000 * place as u64 + 7
}

/// What a histogram has seen, by its place.
pub fn observations(place: usize) -> impl Iterator<Item = f64> {
    (1..=60u32).map(move |step| f64::from(step * step) * 0.0037 + place as f64 * 0.001)
}

/// Renders the page over and over; each must have all its lines.
pub fn pages(render: impl Fn() -> String + Clone + 'static) -> Repeat {
    let once = render.clone();
    Repeat::new(
        move |count| {
            for _ in 0..count {
                std::hint::black_box(render());
            }
        },
        Proof::new(
            || {},
            move |_| {
                let page = once();
                let lines = page.lines().filter(|line| !line.starts_with('#')).count();
                assert_eq!(lines, 160 + 40 * (BOUNDS.len() + 3), "lines of\n{page}");
                let last = format!(" {}", total(159));
                assert!(page.contains(&last), "no counter has{last}");
            },
        ),
    )
}
