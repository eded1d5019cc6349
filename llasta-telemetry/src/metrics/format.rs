//! Which format a page is written in.

/// The format of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`: what every scraper reads; it has no exemplars.
    Text,
    /// `application/openmetrics-text; version=1.0.0`: with exemplars.
    OpenMetrics,
    /// `application/openmetrics-text; version=0.0.1`: the same page under the only name that
    /// Prometheus asked for before the format was finished.
    OpenMetricsDraft,
}

/// The media types we write. Others, protobuf and version 1.0.0 of the text format among them,
/// match no range that names them.
const OPEN: (&str, &str) = ("application", "openmetrics-text");
const TEXT: (&str, &str) = ("text", "plain");

impl Format {
    /// Chooses by the `Accept` header: OpenMetrics when it is listed with at least the weight of
    /// the text format, the text format otherwise. Metric and label names of ours need no
    /// escaping, so whatever `escaping` the scraper asks for holds already.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let accept = accept.unwrap_or_default();
        let text = weight(accept, TEXT, "0.0.4").0;
        [
            (Self::OpenMetrics, "1.0.0"),
            (Self::OpenMetricsDraft, "0.0.1"),
        ]
        .into_iter()
        .find(|(_, version)| {
            // A wildcard is no wish for exemplars.
            let (weight, named) = weight(accept, OPEN, version);
            named && weight > 0.0 && weight >= text
        })
        .map_or(Self::Text, |(format, _)| format)
    }

    /// The `Content-Type` of a page in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::OpenMetricsDraft => "application/openmetrics-text; version=0.0.1; charset=utf-8",
        }
    }

    pub(super) const fn is_open(self) -> bool {
        !matches!(self, Self::Text)
    }
}

/// The weight that the most specific matching range gives a media type, and whether that range
/// names the type. 0 when none matches.
fn weight(accept: &str, (kind, subtype): (&str, &str), version: &str) -> (f64, bool) {
    let mut best = (0, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let Some((range_kind, range_subtype)) = media.split_once('/') else {
            continue;
        };
        let mut weight = 1.0;
        let mut asked = None;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("q") {
                weight = value.parse().unwrap_or(0.0);
            } else if name.eq_ignore_ascii_case("version") {
                asked = Some(value.trim_matches('"'));
            }
        }
        let specific = if range_kind == "*" && range_subtype == "*" {
            1
        } else if !range_kind.eq_ignore_ascii_case(kind) {
            continue;
        } else if range_subtype == "*" {
            2
        } else if !range_subtype.eq_ignore_ascii_case(subtype) {
            continue;
        } else {
            match asked {
                None => 3,
                Some(asked) if asked == version => 4,
                Some(_) => continue,
            }
        };
        if specific > best.0 || specific == best.0 && weight > best.1 {
            best = (specific, weight);
        }
    }
    (best.1, best.0 > 2)
}
