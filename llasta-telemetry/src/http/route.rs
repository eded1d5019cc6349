//! What is the same for every request of a route, resolved once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{Extensions, Method};

use super::access::RouteFields;
use super::layer::Settings;
use super::metrics::EndpointMetrics;

/// The route of a request, for routers other than axum: put it into the request's extensions
/// before the layer sees it. It must be a pattern such as `/users/{id}`, never a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route(pub &'static str);

/// What the layer knows of a route.
pub(super) struct Known {
    pub(super) settings: Arc<Settings>,
    pub(super) route: Option<&'static str>,
    pub(super) spans: bool,
    /// Nothing that is done for it makes a span either.
    pub(super) excluded: bool,
    pub(super) metrics: Option<EndpointMetrics>,
    /// Of its access lines.
    pub(super) fields: Option<RouteFields>,
    /// Span names by [`method`]'s place.
    names: [OnceLock<&'static str>; METHODS.len()],
}

impl Known {
    fn new(route: Option<&str>, settings: Arc<Settings>) -> Self {
        let route = route.map(eternal);
        let excluded =
            route.is_some_and(|route| settings.without_spans.iter().any(|other| other == route));
        let access = settings.access.as_ref();
        Self {
            route,
            spans: settings.spans && !excluded,
            excluded,
            metrics: settings.metrics.endpoint(route),
            fields: access.and_then(|access| Some(access.route(route?))),
            names: Default::default(),
            settings,
        }
    }

    /// `METHOD /route`, or `METHOD` where no route matched.
    pub(super) fn span_name(&self, method: u8) -> Cow<'static, str> {
        Cow::Borrowed(
            self.names[usize::from(method)].get_or_init(|| match self.route {
                Some(route) => eternal(&format!("{} {route}", span_word(method))),
                None => span_word(method),
            }),
        )
    }
}

/// The methods OpenTelemetry knows; the last stands for all others.
pub(super) const METHODS: [&str; 11] = [
    "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY",
    "_OTHER",
];

/// The place of a method in the list.
pub(super) fn method(method: &Method) -> u8 {
    let last = METHODS.len() - 1;
    let place = METHODS[..last]
        .iter()
        .position(|known| *known == method.as_str());
    place.unwrap_or(last) as u8
}

/// The place of HEAD, whose answers have no body.
pub(super) const HEAD: u8 = 4;

/// The place of CONNECT, whose answer is followed by another protocol.
pub(super) const CONNECT: u8 = 7;

/// The method as an attribute says it.
pub(super) fn method_word(method: u8) -> &'static str {
    METHODS[usize::from(method)]
}

/// The method as a span's name says it: `HTTP` for one that is not known.
fn span_word(method: u8) -> &'static str {
    match method_word(method) {
        "_OTHER" => "HTTP",
        word => word,
    }
}

/// The routes that one instrumented service has seen: usually one, since axum wraps each route.
pub(super) struct Routes {
    settings: Arc<Settings>,
    first: OnceLock<Arc<Known>>,
    others: Mutex<Vec<Arc<Known>>>,
}

impl Routes {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            first: OnceLock::new(),
            others: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn find(&self, extensions: &Extensions) -> Arc<Known> {
        let route = route_of(extensions);
        match self.first.get() {
            Some(first) if first.route == route => first.clone(),
            _ => self.find_or_add(route),
        }
    }

    #[cold]
    fn find_or_add(&self, route: Option<&str>) -> Arc<Known> {
        let new = || Arc::new(Known::new(route, self.settings.clone()));
        let first = self.first.get_or_init(new);
        if first.route == route {
            return first.clone();
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.iter().find(|known| known.route == route) {
            return known.clone();
        }
        let known = new();
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
