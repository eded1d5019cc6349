//! Request metrics of any service, under names of its own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::metrics::{EndpointMetrics, RequestFamilies, RequestMetrics, UNMATCHED};
use crate::error::Error;
use crate::metrics::{Counter, Family, Gauge, Histogram, Registry};
use crate::schema::buckets::HTTP_SECONDS;
use crate::schema::requests::{Names, definitions};

type Endpoint = dyn Fn(&str) -> Option<Cow<'static, str>> + Send + Sync;

/// Request metrics under a service's own prefix, for any service: `{prefix}_requests_total`
/// (endpoint, status), `{prefix}_request_duration_seconds`, `{prefix}_requests_in_flight` and
/// `{prefix}_time_to_first_byte_seconds` (endpoint). The endpoint is the route.
#[derive(Clone)]
pub struct ServiceMetrics {
    requests: Family<Counter>,
    duration: Family<Histogram>,
    in_flight: Family<Gauge>,
    first_byte: Option<Family<Histogram>>,
    endpoint: Option<Arc<Endpoint>>,
}

impl fmt::Debug for ServiceMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceMetrics")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

impl ServiceMetrics {
    /// Registers them under their usual names. What Prometheus does not allow in a name becomes an
    /// underscore.
    pub fn named(registry: &Registry, service: &str) -> Self {
        register(Names::of(service), registry, HTTP_SECONDS, None)
    }

    /// Begins metrics whose names, buckets or endpoints are not the usual ones.
    ///
    /// ```
    /// use llasta_telemetry::Telemetry;
    /// use llasta_telemetry::http::{ServiceMetrics, TelemetryLayer};
    ///
    /// # fn main() -> Result<(), llasta_telemetry::Error> {
    /// let telemetry = Telemetry::disabled();
    /// let metrics = ServiceMetrics::builder("shop")
    ///     .duration("shop_latency_seconds")
    ///     .buckets([0.01, 0.1, 1.0, 10.0])
    ///     .endpoint(|route| Some(route.trim_start_matches("/api/").to_owned().into()))
    ///     .register(telemetry.registry())?;
    /// let layer = TelemetryLayer::new(&telemetry, metrics);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(prefix: &str) -> ServiceMetricsBuilder {
        ServiceMetricsBuilder {
            names: Names::of(prefix),
            buckets: HTTP_SECONDS.to_vec(),
            endpoint: None,
        }
    }
}

impl RequestMetrics for ServiceMetrics {
    fn endpoint(&self, route: Option<&str>) -> Option<EndpointMetrics> {
        let families = RequestFamilies {
            requests: &self.requests,
            duration: &self.duration,
            in_flight: &self.in_flight,
            first_byte: self.first_byte.as_ref(),
        };
        let endpoint = match (route, &self.endpoint) {
            (None, _) => UNMATCHED.into(),
            (Some(route), None) => Cow::Borrowed(route),
            (Some(route), Some(name)) => name(route)?,
        };
        Some(families.with(&endpoint))
    }
}

/// Names, buckets and endpoints of [`ServiceMetrics`].
pub struct ServiceMetricsBuilder {
    names: Names,
    buckets: Vec<f64>,
    endpoint: Option<Arc<Endpoint>>,
}

impl fmt::Debug for ServiceMetricsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceMetricsBuilder")
            .field("names", &self.names)
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}

impl ServiceMetricsBuilder {
    /// The name of the counter of requests; it ends in `_total`.
    #[must_use]
    pub fn requests(mut self, name: impl Into<String>) -> Self {
        self.names.requests = name.into();
        self
    }

    /// The name of the histogram of durations, in seconds.
    #[must_use]
    pub fn duration(mut self, name: impl Into<String>) -> Self {
        self.names.duration = name.into();
        self
    }

    /// The name of the gauge of requests being answered.
    #[must_use]
    pub fn in_flight(mut self, name: impl Into<String>) -> Self {
        self.names.in_flight = name.into();
        self
    }

    /// The name of the histogram of times to the first byte, in seconds; `None` for no such
    /// metric.
    #[must_use]
    pub fn first_byte(mut self, name: Option<String>) -> Self {
        self.names.first_byte = name;
        self
    }

    /// Upper bounds of the buckets of both histograms, in seconds, each larger than the one before.
    #[must_use]
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> Self {
        self.buckets = bounds.into();
        self
    }

    /// Names the endpoint of a route; `None` leaves the route uncounted. Called once for each
    /// route. Requests that match no route are always counted as `unmatched`.
    #[must_use]
    pub fn endpoint(
        mut self,
        name: impl Fn(&str) -> Option<Cow<'static, str>> + Send + Sync + 'static,
    ) -> Self {
        self.endpoint = Some(Arc::new(name));
        self
    }

    /// Registers the metrics.
    ///
    /// # Errors
    ///
    /// A name that Prometheus does not allow, a counter whose name does not end in `_total`, one
    /// name for two metrics, or buckets that do not rise.
    pub fn register(self, registry: &Registry) -> Result<ServiceMetrics, Error> {
        check(&self.names)?;
        let rises = self.buckets.windows(2).all(|pair| pair[0] < pair[1]);
        if self.buckets.is_empty() || !rises || self.buckets.iter().any(|bound| !bound.is_finite())
        {
            return Err(Error::config(format!(
                "the buckets {:?} do not rise: give finite bounds in seconds, each larger than the one before",
                self.buckets
            )));
        }
        Ok(register(self.names, registry, &self.buckets, self.endpoint))
    }
}

fn all(names: &Names) -> impl Iterator<Item = &String> {
    [&names.requests, &names.duration, &names.in_flight]
        .into_iter()
        .chain(&names.first_byte)
}

fn check(names: &Names) -> Result<(), Error> {
    for (at, name) in all(names).enumerate() {
        let first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
        let later = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !name.starts_with(first) || !name.chars().all(later) {
            return Err(Error::config(format!(
                "`{name}` is no name of a metric: use letters, digits and underscores, and no digit first"
            )));
        }
        // OpenMetrics names a counter's family without its suffix.
        let family = |name: &str| name.trim_end_matches("_total").to_owned();
        if let Some(other) = all(names)
            .skip(at + 1)
            .find(|other| family(other) == family(name))
        {
            return Err(Error::config(format!(
                "`{name}` and `{other}` are two metrics under one name: rename one of them"
            )));
        }
    }
    if !names.requests.ends_with("_total") {
        return Err(Error::config(format!(
            "`{}` counts requests, and the name of a counter ends in _total",
            names.requests
        )));
    }
    Ok(())
}

fn register(
    names: Names,
    registry: &Registry,
    buckets: &[f64],
    endpoint: Option<Arc<Endpoint>>,
) -> ServiceMetrics {
    let [requests, duration, in_flight, first_byte] = definitions(&names, buckets);
    let metrics = ServiceMetrics {
        requests: registry.family(requests),
        duration: registry.family(duration),
        in_flight: registry.family(in_flight),
        first_byte: names.first_byte.map(|_| registry.family(first_byte)),
        endpoint,
    };
    // The series of requests that match no route exist from the start.
    RequestMetrics::endpoint(&metrics, None);
    metrics
}
