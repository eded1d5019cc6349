//! What is the same for every request of a route, resolved once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{Extensions, Method};

use super::layer::Settings;
use super::metrics::EndpointMetrics;

/// The route of a request, for routers other than axum: put it into the request's extensions
/// before the layer sees it. It must be a pattern such as `/users/{id}`, never a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route(pub &'static str);

/// What the layer knows of a route.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) route: Option<&'static str>,
    pub(super) spans: bool,
    /// Nothing that is done for it makes a span either.
    pub(super) excluded: bool,
    pub(super) metrics: Option<EndpointMetrics>,
    /// Span names by [`method`]'s place.
    names: [OnceLock<Cow<'static, str>>; METHODS.len()],
}

impl Known {
    fn new(route: Option<&str>, settings: &Settings) -> Self {
        let route = route.map(eternal);
        let excluded =
            route.is_some_and(|route| settings.without_spans.iter().any(|other| other == route));
        Self {
            route,
            spans: settings.spans && !excluded,
            excluded,
            metrics: settings.metrics.endpoint(route),
            names: Default::default(),
        }
    }

    /// `METHOD /route`, or `METHOD` where no route matched.
    pub(super) fn span_name(&self, method: usize) -> Cow<'static, str> {
        let name = self.names[method].get_or_init(|| match self.route {
            Some(route) => Cow::Borrowed(eternal(&format!("{} {route}", span_word(method)))),
            None => Cow::Borrowed(span_word(method)),
        });
        name.clone()
    }
}

/// The methods OpenTelemetry knows; the last stands for all others.
const METHODS: [&str; 11] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY",
    "_OTHER",
];

/// The place of a method in the list.
pub(super) fn method(method: &Method) -> usize {
    let last = METHODS.len() - 1;
    METHODS[..last]
        .iter()
        .position(|known| *known == method.as_str())
        .unwrap_or(last)
}

/// The method as an attribute says it.
pub(super) fn method_word(method: usize) -> &'static str {
    METHODS[method]
}

/// The method as a span's name says it: `HTTP` for one that is not known.
fn span_word(method: usize) -> &'static str {
    if method == METHODS.len() - 1 {
        "HTTP"
    } else {
        METHODS[method]
    }
}

/// The routes that one instrumented service has seen: usually one, since axum wraps each route.
#[derive(Debug, Default)]
pub(super) struct RouteCache {
    first: OnceLock<Arc<Known>>,
    others: Mutex<Vec<Arc<Known>>>,
}

impl RouteCache {
    pub(super) fn find(&self, extensions: &Extensions, settings: &Settings) -> Arc<Known> {
        let route = route_of(extensions);
        let first = self
            .first
            .get_or_init(|| Arc::new(Known::new(route, settings)));
        if first.route == route {
            return first.clone();
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.iter().find(|known| known.route == route) {
            return known.clone();
        }
        let known = Arc::new(Known::new(route, settings));
        others.push(known.clone());
        known
    }
}

fn route_of(extensions: &Extensions) -> Option<&str> {
    #[cfg(feature = "axum")]
    if let Some(matched) = extensions.get::<axum::extract::MatchedPath>() {
        return Some(matched.as_str());
    }
    extensions.get::<Route>().map(|route| route.0)
}

/// The same text for as long as the program runs. Routes are part of the program, so there are
/// as many as somebody wrote; each is kept once.
fn eternal(text: &str) -> &'static str {
    static KEPT: Mutex<Option<HashMap<String, &'static str>>> = Mutex::new(None);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.get_or_insert_default();
    if let Some(known) = kept.get(text) {
        return known;
    }
    let leaked: &'static str = Box::leak(text.to_owned().into_boxed_str());
    kept.insert(text.to_owned(), leaked);
    leaked
}
