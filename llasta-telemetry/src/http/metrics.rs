//! Where request metrics are recorded: resolved once for each route.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::metrics::{Counter, Family, Gauge, Handle, Histogram, Registry};
use crate::schema::buckets::HTTP_SECONDS;
use crate::schema::chatbot::ChatbotMetrics;
use crate::schema::faiss_wrap::FaissWrapMetrics;
use crate::schema::labels::{ChatEndpoint, IndexEndpoint, Outcome};
use crate::schema::{Instrument, LabelDef, LabelSet, LabelValues, MetricDef};

/// The series of one endpoint.
#[derive(Debug, Clone)]
pub struct EndpointMetrics {
    /// Requests by [`Outcome`], in the order of its values.
    pub requests: [Handle<Counter>; 3],
    /// Seconds from the first byte in to the last byte out.
    pub duration: Handle<Histogram>,
    /// Requests being answered.
    pub in_flight: Handle<Gauge>,
    /// Seconds from the first byte in to the first byte out, where that is a metric.
    pub first_byte: Option<Handle<Histogram>>,
}

/// Names the endpoint of a route and hands out its series.
pub trait RequestMetrics: Send + Sync + 'static {
    /// The series of a route, or of all requests that matched none. Called once for each route.
    /// `None` leaves the route uncounted.
    fn endpoint(&self, route: Option<&str>) -> Option<EndpointMetrics>;
}

/// The value of the label `endpoint` for requests that match no route.
const UNMATCHED: &str = "unmatched";

impl EndpointMetrics {
    /// The series at one place of families that have `endpoint` and then, for the counter,
    /// `status` as their only labels.
    fn closed(
        requests: impl Fn(usize) -> Handle<Counter>,
        duration: Handle<Histogram>,
        in_flight: Handle<Gauge>,
        first_byte: Option<Handle<Histogram>>,
    ) -> Self {
        Self {
            requests: std::array::from_fn(requests),
            duration,
            in_flight,
            first_byte,
        }
    }
}

impl RequestMetrics for ChatbotMetrics {
    fn endpoint(&self, route: Option<&str>) -> Option<EndpointMetrics> {
        let index = place::<ChatEndpoint>(route.unwrap_or(UNMATCHED))?;
        let families = self.request_families();
        Some(families.at(index))
    }
}

impl RequestMetrics for FaissWrapMetrics {
    fn endpoint(&self, route: Option<&str>) -> Option<EndpointMetrics> {
        // The endpoint is the operation: the route without its slash.
        let index =
            place::<IndexEndpoint>(route.map_or(UNMATCHED, |route| route.trim_start_matches('/')))?;
        let families = self.request_families();
        Some(families.at(index))
    }
}

fn place<L: LabelSet>(value: &str) -> Option<usize> {
    L::VALUES.iter().position(|known| *known == value)
}

/// The families that every service counts its requests with.
pub(crate) struct RequestFamilies<'a> {
    requests: &'a Family<Counter>,
    duration: &'a Family<Histogram>,
    in_flight: &'a Family<Gauge>,
    first_byte: Option<&'a Family<Histogram>>,
}

impl RequestFamilies<'_> {
    fn at(&self, index: usize) -> EndpointMetrics {
        EndpointMetrics::closed(
            |outcome| {
                self.requests
                    .handle(index * Outcome::VALUES.len() + outcome)
            },
            self.duration.handle(index),
            self.in_flight.handle(index),
            self.first_byte.map(|family| family.handle(index)),
        )
    }

    fn with(&self, endpoint: &str) -> EndpointMetrics {
        EndpointMetrics::closed(
            |outcome| self.requests.with(&[endpoint], outcome),
            self.duration.with(&[endpoint], 0),
            self.in_flight.with(&[endpoint], 0),
            self.first_byte.map(|family| family.with(&[endpoint], 0)),
        )
    }
}

impl ChatbotMetrics {
    fn request_families(&self) -> RequestFamilies<'_> {
        RequestFamilies {
            requests: self.requests_family(),
            duration: self.request_duration_family(),
            in_flight: self.requests_in_flight_family(),
            first_byte: Some(self.time_to_first_byte_family()),
        }
    }
}

impl FaissWrapMetrics {
    fn request_families(&self) -> RequestFamilies<'_> {
        RequestFamilies {
            requests: self.requests_family(),
            duration: self.request_latency_family(),
            in_flight: self.requests_in_flight_family(),
            first_byte: None,
        }
    }
}

/// Request metrics under a service's own prefix, for any service: `{prefix}_requests_total`
/// (endpoint, status), `{prefix}_request_duration_seconds`, `{prefix}_requests_in_flight` and
/// `{prefix}_time_to_first_byte_seconds` (endpoint). The endpoint is the route.
#[derive(Debug, Clone)]
pub struct ServiceMetrics {
    requests: Family<Counter>,
    duration: Family<Histogram>,
    in_flight: Family<Gauge>,
    first_byte: Family<Histogram>,
}

impl ServiceMetrics {
    /// Registers them. What Prometheus does not allow in a name becomes an underscore.
    pub fn named(registry: &Registry, service: &str) -> Self {
        let [requests, duration, in_flight, first_byte] = definitions(service);
        let metrics = Self {
            requests: registry.family(requests),
            duration: registry.family(duration),
            in_flight: registry.family(in_flight),
            first_byte: registry.family(first_byte),
        };
        metrics.endpoint(None);
        metrics
    }
}

impl RequestMetrics for ServiceMetrics {
    fn endpoint(&self, route: Option<&str>) -> Option<EndpointMetrics> {
        let families = RequestFamilies {
            requests: &self.requests,
            duration: &self.duration,
            in_flight: &self.in_flight,
            first_byte: Some(&self.first_byte),
        };
        Some(families.with(route.unwrap_or(UNMATCHED)))
    }
}

/// A definition lives as long as the program, as those that `schema!` writes do. There is one set
/// for each prefix, and prefixes come from the program.
fn definitions(service: &str) -> [&'static MetricDef; 4] {
    static KNOWN: Mutex<Option<HashMap<String, [&'static MetricDef; 4]>>> = Mutex::new(None);
    const ENDPOINT: LabelDef = LabelDef {
        name: "endpoint",
        values: LabelValues::Text,
    };
    const STATUS: LabelDef = LabelDef {
        name: "status",
        values: LabelValues::Closed(Outcome::VALUES),
    };

    let prefix: String = service
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    *known.entry(prefix).or_insert_with_key(|prefix| {
        let define = |suffix, instrument, brief, unit, labels, buckets| -> &'static MetricDef {
            let first = if prefix.starts_with(|letter: char| letter.is_ascii_digit()) {
                "_"
            } else {
                ""
            };
            let name = Box::leak(format!("{first}{prefix}_{suffix}").into_boxed_str());
            Box::leak(Box::new(MetricDef {
                name,
                instrument,
                brief,
                unit,
                labels,
                buckets,
            }))
        };
        [
            define(
                "requests_total",
                Instrument::Counter,
                "Requests by the way they ended.",
                None,
                &[ENDPOINT, STATUS],
                &[],
            ),
            define(
                "request_duration_seconds",
                Instrument::Histogram,
                "Seconds from the first byte in to the last byte out.",
                Some("s"),
                &[ENDPOINT],
                HTTP_SECONDS,
            ),
            define(
                "requests_in_flight",
                Instrument::Gauge,
                "Requests being answered.",
                None,
                &[ENDPOINT],
                &[],
            ),
            define(
                "time_to_first_byte_seconds",
                Instrument::Histogram,
                "Seconds from the first byte in to the first byte out.",
                Some("s"),
                &[ENDPOINT],
                HTTP_SECONDS,
            ),
        ]
    })
}
