//! Everything a check saw and found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::conform::{Level, Signal};
use llasta_telemetry::testing::{Evidence, Forwarded, OtlpReceiver, PageFormat, Received};
use serde::Serialize;
use serde_json::{Value, json};

use super::args::{CheckArgs, FailOn};
use super::compare::{Placed, said_by, services};

/// What came, in numbers.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    pub(super) seconds: f64,
    /// `None` when OTLP was not asked for.
    pub(super) otlp: Option<SeenOtlp>,
    /// How many of each service.
    pub(super) spans: BTreeMap<String, usize>,
    pub(super) logs: BTreeMap<String, usize>,
    pub(super) pages: Vec<SeenPage>,
    /// How many of each file.
    pub(super) lines: Vec<SeenLines>,
    /// What was looked at: spans and declared metrics by name, log lines and resources by service.
    #[serde(skip)]
    pub(super) names: BTreeSet<(Signal, String)>,
}

#[derive(Debug, Serialize)]
pub(super) struct SeenOtlp {
    pub(super) endpoint: String,
    pub(super) requests: u64,
    pub(super) refused: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct SeenPage {
    pub(super) source: String,
    pub(super) service: Option<String>,
    pub(super) format: &'static str,
    /// `None` when it could not be read.
    pub(super) metrics: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct SeenLines {
    pub(super) file: String,
    pub(super) count: usize,
}

impl Seen {
    pub(super) fn new(time: Duration) -> Self {
        Self {
            seconds: time.as_secs_f64(),
            otlp: None,
            spans: BTreeMap::new(),
            logs: BTreeMap::new(),
            pages: Vec::new(),
            lines: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    pub(super) fn otlp(&mut self, receiver: &OtlpReceiver) {
        let Received {
            requests, refused, ..
        } = receiver.received();
        self.otlp = Some(SeenOtlp {
            endpoint: receiver.endpoint(),
            requests,
            refused,
        });
    }

    pub(super) fn lines(&mut self, file: String, count: usize) {
        self.lines.push(SeenLines { file, count });
    }
}

impl Seen {
    pub(super) fn evidence(&mut self, schema: &Schema, evidence: &Evidence) {
        for span in &evidence.spans {
            *self.spans.entry(span.service.clone()).or_default() += 1;
            self.names.insert((Signal::Span, span.name.clone()));
        }
        for log in &evidence.logs {
            *self.logs.entry(log.service.clone()).or_default() += 1;
            self.names.insert((Signal::Log, log.service.clone()));
        }
        for captured in &evidence.pages {
            let page = captured.page.as_ref().ok();
            let families = page
                .map(|page| page.families.as_slice())
                .unwrap_or_default();
            for family in families {
                if schema.metric(&family.name).is_some() {
                    self.names.insert((Signal::Metric, family.name.clone()));
                }
            }
            self.pages.push(SeenPage {
                source: captured.source.clone(),
                service: captured.service.clone(),
                format: match captured.format {
                    PageFormat::Text => "text",
                    PageFormat::OpenMetrics => "openmetrics",
                    PageFormat::Otlp => "otlp",
                },
                metrics: page.map(|page| page.families.len()),
            });
        }
        for service in evidence.lines.iter().filter_map(|line| said_by(line)) {
            self.names.insert((Signal::Log, service));
        }
        for service in services(evidence) {
            self.names.insert((Signal::Resource, service));
        }
    }
}

/// What was seen and found, and what that means.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) seen: Seen,
    /// The most severe first.
    pub(super) findings: Vec<Placed>,
    pub(super) fail_on: FailOn,
    /// The next collector, and what became of what was passed on to it.
    pub(super) forward: Option<(String, Forwarded)>,
}

impl Report {
    pub(super) fn new(
        seen: Seen,
        mut findings: Vec<Placed>,
        arguments: &CheckArgs,
        forwarded: Forwarded,
    ) -> Self {
        findings.sort_by(|one, other| {
            let place = |placed: &Placed| {
                let finding = &placed.finding;
                (
                    std::cmp::Reverse(finding.level),
                    finding.signal,
                    finding.name.clone(),
                )
            };
            place(one).cmp(&place(other))
        });
        Self {
            seen,
            findings,
            fail_on: arguments.fail_on,
            forward: arguments.forward.clone().map(|url| (url, forwarded)),
        }
    }

    pub(super) fn fails(&self) -> bool {
        let mut levels = self.findings.iter().map(|placed| placed.finding.level);
        levels.any(|level| self.fail_on.fails(level))
    }

    pub(super) fn count(&self, level: Level) -> usize {
        let levels = self.findings.iter().map(|placed| placed.finding.level);
        levels.filter(|found| *found == level).count()
    }

    /// What could not be passed on; `None` when all was.
    pub(super) fn lost(&self) -> Option<String> {
        let (url, forwarded) = self.forward.as_ref()?;
        if forwarded.failed() == 0 {
            return None;
        }
        let Forwarded {
            spans,
            logs,
            points,
            ..
        } = forwarded;
        let lost: Vec<_> = [
            (spans, "spans"),
            (logs, "log records"),
            (points, "data points of metrics"),
        ]
        .into_iter()
        .filter(|(tally, _)| tally.failed > 0)
        .map(|(tally, what)| format!("{} of {} {what}", tally.failed, tally.passed + tally.failed))
        .collect();
        let why = forwarded.last_error.as_deref().unwrap_or("no reason given");
        Some(format!(
            "{} could not be passed on to {url}: {why}",
            lost.join(", ")
        ))
    }

    pub(super) fn verdict(&self) -> String {
        let word = if self.fails() { "Failed" } else { "Passed" };
        if self.findings.is_empty() {
            return format!("{word}: 0 findings.");
        }
        let counts: Vec<_> = Level::ALL
            .iter()
            .rev()
            .map(|level| Count(self.count(*level), *level).to_string())
            .collect();
        format!("{word}: {}.", counts.join(", "))
    }

    pub(super) fn json(&self) -> Value {
        let forward = self.forward.as_ref().map(|(url, forwarded)| {
            let tally = |tally: &llasta_telemetry::testing::Tally| json!({"passed": tally.passed, "failed": tally.failed});
            json!({
                "url": url,
                "spans": tally(&forwarded.spans),
                "logs": tally(&forwarded.logs),
                "points": tally(&forwarded.points),
                "last_error": forwarded.last_error,
            })
        });
        json!({
            "seen": self.seen,
            "forward": forward,
            "findings": self.findings,
            "verdict": {
                "passed": !self.fails(),
                "fail_on": self.fail_on.name(),
                "violations": self.count(Level::Violation),
                "improvements": self.count(Level::Improvement),
                "information": self.count(Level::Information),
            },
        })
    }
}

/// So many findings of a level.
struct Count(usize, Level);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, level) = self;
        let one = *count == 1 || *level == Level::Information;
        write!(f, "{count} {level}{}", if one { "" } else { "s" })
    }
}
