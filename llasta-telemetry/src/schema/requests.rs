//! The request metrics of any service, under a prefix of its own: their names are only known when
//! the service is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::labels::Outcome;
use super::{Instrument, LabelDef, LabelSet, LabelValues, MetricDef};

/// The names of the four metrics.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Names {
    pub(crate) requests: String,
    pub(crate) duration: String,
    pub(crate) in_flight: String,
    pub(crate) first_byte: Option<String>,
}

impl Names {
    /// The usual ones.
    pub(crate) fn of(service: &str) -> Self {
        let mut prefix = underscored(service);
        if prefix.starts_with(|letter: char| letter.is_ascii_digit()) {
            prefix.insert(0, '_');
        }
        Self {
            requests: format!("{prefix}_requests_total"),
            duration: format!("{prefix}_request_duration_seconds"),
            in_flight: format!("{prefix}_requests_in_flight"),
            first_byte: Some(format!("{prefix}_time_to_first_byte_seconds")),
        }
    }
}

/// What Prometheus does not allow in a name, as underscores. A digit may still stand first.
pub(crate) fn underscored(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

pub(crate) type Definitions = [&'static MetricDef; 4];
/// By the names, and the bits of the buckets.
type Defined = HashMap<(Names, Vec<u64>), Definitions>;

/// A definition lives as long as the program, as those that `schema!` writes do. There is one set
/// for each set of names and buckets, and those come from the program.
pub(crate) fn definitions(names: &Names, buckets: &[f64]) -> Definitions {
    static KNOWN: Mutex<Option<Defined>> = Mutex::new(None);
    const ENDPOINT: LabelDef = LabelDef {
        name: "endpoint",
        values: LabelValues::Text,
        was: None,
    };
    const STATUS: LabelDef = LabelDef {
        name: "status",
        values: LabelValues::Closed(Outcome::VALUES),
        was: None,
    };

    let bits = buckets.iter().map(|bound| bound.to_bits()).collect();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    *known.entry((names.clone(), bits)).or_insert_with(|| {
        let buckets: &'static [f64] = Vec::leak(buckets.to_vec());
        let histogram = |name: &str, brief| {
            define(MetricDef {
                name: String::leak(name.to_owned()),
                instrument: Instrument::Histogram,
                brief,
                unit: Some("s"),
                labels: &[ENDPOINT],
                buckets,
                was: None,
                deprecated: None,
            })
        };
        [
            define(MetricDef {
                name: String::leak(names.requests.clone()),
                instrument: Instrument::Counter,
                brief: "Requests by the way they ended.",
                unit: None,
                labels: &[ENDPOINT, STATUS],
                buckets: &[],
                was: None,
                deprecated: None,
            }),
            histogram(
                &names.duration,
                "Seconds from the first byte in to the last byte out.",
            ),
            define(MetricDef {
                name: String::leak(names.in_flight.clone()),
                instrument: Instrument::Gauge,
                brief: "Requests being answered.",
                unit: None,
                labels: &[ENDPOINT],
                buckets: &[],
                was: None,
                deprecated: None,
            }),
            histogram(
                names.first_byte.as_deref().unwrap_or_default(),
                "Seconds from the first byte in to the first byte out.",
            ),
        ]
    })
}

fn define(def: MetricDef) -> &'static MetricDef {
    Box::leak(Box::new(def))
}
