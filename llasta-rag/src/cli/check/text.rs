//! The report for people.

use std::collections::BTreeMap;
use std::fmt;

use llasta_telemetry::testing::conform::Signal;

use super::compare::Placed;
use super::report::{Report, Seen};

/// Where findings stand that are about no service alone.
const TOGETHER: &str = "across services and sources";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seen)?;
        if let Some((url, forwarded)) = &self.forward {
            let passed = forwarded.spans.passed + forwarded.logs.passed + forwarded.points.passed;
            writeln!(
                f,
                "  passed on    {passed} of {} to {url}",
                passed + forwarded.failed()
            )?;
        }
        for (place, findings) in places(&self.findings) {
            writeln!(f, "\n{place}")?;
            for placed in findings {
                let finding = &placed.finding;
                writeln!(
                    f,
                    "  {} {} `{}` ({})\n    {}\n    {}",
                    finding.level,
                    finding.signal,
                    finding.name,
                    finding.id,
                    sentence(&finding.message),
                    sentence(&finding.advice)
                )?;
            }
        }
        writeln!(f, "\n{}", self.verdict())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Seen in {:.1} s", self.seconds)?;
        if let Some(otlp) = &self.otlp {
            write!(f, "  OTLP         {} requests", otlp.requests)?;
            if otlp.refused > 0 {
                write!(f, ", and {} that were refused", otlp.refused)?;
            }
            writeln!(f, ", at {}", otlp.endpoint)?;
            writeln!(f, "  spans        {}", by_service(&self.spans))?;
            if !self.logs.is_empty() {
                writeln!(f, "  log records  {}", by_service(&self.logs))?;
            }
        }
        for page in &self.pages {
            let service = page
                .service
                .as_deref()
                .unwrap_or("a service without a name");
            match page.metrics {
                Some(metrics) => writeln!(
                    f,
                    "  metrics      {metrics} of {service}, from {} ({})",
                    page.source, page.format
                )?,
                None => writeln!(f, "  metrics      unreadable, from {}", page.source)?,
            }
        }
        for lines in &self.lines {
            writeln!(f, "  log lines    {}, from {}", lines.count, lines.file)?;
        }
        Ok(())
    }
}

fn by_service(counts: &BTreeMap<String, usize>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(service, count)| match service.as_str() {
            "" => format!("{count} without a service"),
            service => format!("{count} of {service}"),
        })
        .collect();
    counts.join(", ")
}

/// By service and then by signal, with the order they have within.
fn places(findings: &[Placed]) -> BTreeMap<String, Vec<&Placed>> {
    let mut places: BTreeMap<String, Vec<&Placed>> = BTreeMap::new();
    for placed in findings {
        let place = match placed.services.as_slice() {
            [] => TOGETHER.to_owned(),
            services => services.join(", "),
        };
        places.entry(place).or_default().push(placed);
    }
    for findings in places.values_mut() {
        // The most severe signal first, and stable: the most severe of each stays first.
        let worst: BTreeMap<Signal, _> = findings.iter().fold(BTreeMap::new(), |mut worst, one| {
            let level = worst.entry(one.finding.signal).or_insert(one.finding.level);
            *level = (*level).max(one.finding.level);
            worst
        });
        findings.sort_by_key(|placed| {
            let signal = placed.finding.signal;
            (std::cmp::Reverse(worst[&signal]), signal)
        });
    }
    places
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let end = if text.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    // A name in backticks keeps its letters.
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}
