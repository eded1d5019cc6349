//! The access line: one for each request, at its end.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use opentelemetry::Context;

use super::route::{Known, METHODS, method_word};
use crate::context::{Ids, baggage};
use crate::line::{Level, LineSink, Prepared};
use crate::schema::LabelSet;
use crate::schema::http as key;
use crate::schema::labels::Outcome;
use crate::telemetry::Telemetry;

const TARGET: &str = "llasta_telemetry::access";

/// What is the same in every access line of one layer, written once.
pub(super) struct Access {
    lines: LineSink,
    info: Prepared,
    error: Prepared,
    /// The message and the method, by the method's place.
    requests: [Prepared; METHODS.len()],
    /// By the outcome's place.
    outcomes: Vec<Prepared>,
}

/// What is the same in every access line of one route.
#[derive(Debug)]
pub(super) struct RouteFields {
    route: Prepared,
    /// The path, where it is the route, and the route.
    path_and_route: Prepared,
}

/// A request that has ended.
pub(super) struct Ended<'a> {
    pub(super) known: &'a Known,
    pub(super) context: &'a Context,
    pub(super) method: u8,
    pub(super) path: Option<&'a str>,
    pub(super) status: Option<StatusCode>,
    pub(super) outcome: Outcome,
    pub(super) error: Option<&'a str>,
    pub(super) at: SystemTime,
    pub(super) lasted: Duration,
}

impl Access {
    /// `None` where no lines are written at all.
    pub(super) fn new(telemetry: &Telemetry) -> Option<Self> {
        let lines = telemetry.lines()?.clone();
        let origin = |level| Prepared::origin(&lines, level, TARGET, telemetry.service_name());
        Some(Self {
            info: origin(Level::Info),
            error: origin(Level::Error),
            requests: std::array::from_fn(|method| {
                Prepared::fields(&lines, |line| {
                    line.message("request");
                    line.text("method", method_word(method as u8));
                })
            }),
            outcomes: Outcome::VALUES
                .iter()
                .map(|outcome| Prepared::fields(&lines, |line| line.text("outcome", outcome)))
                .collect(),
            lines,
        })
    }

    /// The fields of a route.
    pub(super) fn route(&self, route: &str) -> RouteFields {
        RouteFields {
            route: Prepared::fields(&self.lines, |line| line.text("route", route)),
            path_and_route: Prepared::fields(&self.lines, |line| {
                line.text("path", route);
                line.text("route", route);
            }),
        }
    }

    pub(super) fn write(&self, ended: &Ended<'_>) {
        let failed = ended.outcome == Outcome::Error;
        if !is_wanted(failed) {
            return;
        }
        let origin = if failed { &self.error } else { &self.info };
        let ids = Ids::of(ended.context);
        self.lines.write_prepared(ended.at, origin, ids, |line| {
            line.prepared(&self.requests[usize::from(ended.method)]);
            match (&ended.known.fields, ended.path) {
                (Some(fields), None) => line.prepared(&fields.path_and_route),
                (fields, path) => {
                    line.text("path", path.unwrap_or_default());
                    if let Some(fields) = fields {
                        line.prepared(&fields.route);
                    }
                }
            }
            if let Some(status) = ended.status {
                line.integer("status", status.as_u16().into());
            }
            line.prepared(&self.outcomes[ended.outcome.index()]);
            let micros = u64::try_from(ended.lasted.as_micros()).unwrap_or(u64::MAX);
            line.millis("duration_ms", micros);
            if let Some(error) = ended.error {
                line.text(key::ERROR_TYPE.name(), error);
            }
            let keys = ended.known.settings.telemetry.baggage_keys();
            for (key, value) in baggage::recorded(ended.context, keys) {
                line.text(key.as_str(), value.as_str());
            }
        });
    }
}

/// Whether the subscriber takes lines of this kind. Without a subscriber there is nobody who could
/// have switched them off.
fn is_wanted(failed: bool) -> bool {
    let wanted = if failed {
        tracing::enabled!(target: TARGET, tracing::Level::ERROR)
    } else {
        tracing::enabled!(target: TARGET, tracing::Level::INFO)
    };
    wanted
        || tracing::dispatcher::get_default(|current| {
            current.is::<tracing::subscriber::NoSubscriber>()
        })
}
