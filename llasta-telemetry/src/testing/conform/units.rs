//! The unit of a metric, as each format says it.

use super::finding::{FindingId, Findings, Signal};
use crate::schema::MetricDef;
use crate::testing::PageFormat;
use crate::testing::page::Family;

pub(super) fn check(def: &MetricDef, family: &Family, format: PageFormat, findings: &mut Findings) {
    let expected = match format {
        // The text format has no units.
        PageFormat::Text => return,
        PageFormat::OpenMetrics => def.unit_word(def.name),
        PageFormat::Otlp => def.unit,
    };
    let is = family.unit.as_str();
    let counted = |unit: &str| unit.is_empty() || unit == "1" || unit.starts_with('{');
    match expected {
        Some(expected) if is == expected || counted(expected) && counted(is) => {}
        // What nobody declares is for people to read.
        None if counted(is) || def.unit.is_none() => {}
        Some(expected) if is.is_empty() => findings.improvement(
            FindingId::UnitMismatch,
            Signal::Metric,
            def.name,
            "does not say its unit",
            format!("declare the unit `{expected}`"),
        ),
        _ => findings.violation(
            FindingId::UnitMismatch,
            Signal::Metric,
            def.name,
            format!("has the unit `{is}`"),
            match expected {
                Some(expected) => format!("record it in `{expected}`"),
                None => "leave the unit out: the name does not end in it".to_owned(),
            },
        ),
    }
}
