//! Where request metrics are recorded: resolved once for each route.

use crate::metrics::{Counter, Family, Gauge, Handle, Histogram};
use crate::schema::LabelSet;
use crate::schema::chatbot::ChatbotMetrics;
use crate::schema::faiss_wrap::FaissWrapMetrics;
use crate::schema::labels::{ChatEndpoint, IndexEndpoint, Outcome};

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
pub(super) const UNMATCHED: &str = "unmatched";

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
pub(super) struct RequestFamilies<'a> {
    pub(super) requests: &'a Family<Counter>,
    pub(super) duration: &'a Family<Histogram>,
    pub(super) in_flight: &'a Family<Gauge>,
    pub(super) first_byte: Option<&'a Family<Histogram>>,
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

    pub(super) fn with(&self, endpoint: &str) -> EndpointMetrics {
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
