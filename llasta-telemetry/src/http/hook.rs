//! Attributes of the service's own on the SERVER span.

use std::fmt;

use http::{Extensions, HeaderMap, Method, StatusCode, Uri};
use opentelemetry::Value;

use crate::schema::Key;
use crate::span::{IntoAttribute, name};
use crate::telemetry::Telemetry;

/// What [`on_request`](super::TelemetryLayer::on_request) may look at.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// The method as it came.
    pub method: &'a Method,
    /// The address asked for.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What layers outside have put there.
    pub extensions: &'a Extensions,
    /// The route that matched.
    pub route: Option<&'static str>,
}

/// What [`on_response`](super::TelemetryLayer::on_response) may look at.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What the handler and the layers inside have put there.
    pub extensions: &'a Extensions,
}

/// Takes the attributes that a hook gives the SERVER span.
pub struct Attributes<'a> {
    telemetry: &'a Telemetry,
    put: &'a mut dyn FnMut(&'static str, Value),
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributes").finish_non_exhaustive()
    }
}

impl<'a> Attributes<'a> {
    pub(super) fn new(
        telemetry: &'a Telemetry,
        put: &'a mut dyn FnMut(&'static str, Value),
    ) -> Self {
        Self { telemetry, put }
    }

    /// Sets an attribute of a schema, as typed spans do: under the names that are asked for, and
    /// content as the policy says.
    pub fn set<T: ?Sized>(&mut self, key: Key<T>, value: impl IntoAttribute<T>) {
        name(
            self.telemetry,
            key.def(),
            value.into_attribute(),
            |name, value| {
                (self.put)(name, value);
            },
        );
    }
}

pub(super) type OnRequest = dyn Fn(&RequestHead<'_>, &mut Attributes<'_>) + Send + Sync;
pub(super) type OnResponse = dyn Fn(&ResponseHead<'_>, &mut Attributes<'_>) + Send + Sync;
