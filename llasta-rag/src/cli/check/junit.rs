//! The report as CI systems read it: a suite of each signal, in it a case of each thing that was
//! looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use llasta_telemetry::testing::conform::{Finding, Signal};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::report::Report;

type Cases<'a> = BTreeMap<&'a str, Vec<&'a Finding>>;

pub(super) fn xml(report: &Report) -> io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites: Vec<_> = Signal::ALL
        .iter()
        .map(|signal| (*signal, cases(report, *signal)))
        .filter(|(_, cases)| !cases.is_empty())
        .collect();
    let tests: usize = suites.iter().map(|(_, cases)| cases.len()).sum();
    let failures: usize = suites
        .iter()
        .map(|(_, cases)| failures(report, cases))
        .sum();
    writer
        .create_element("testsuites")
        .with_attribute(("name", "llasta check"))
        .with_attribute(("tests", tests.to_string().as_str()))
        .with_attribute(("failures", failures.to_string().as_str()))
        .with_attribute(("time", format!("{:.3}", report.seen.seconds).as_str()))
        .write_inner_content(|writer| {
            for (signal, cases) in &suites {
                suite(writer, report, *signal, cases)?;
            }
            Ok(())
        })?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

/// Whatever was looked at, and whatever was not there, with what was found on it.
fn cases(report: &Report, signal: Signal) -> Cases<'_> {
    let names = report.seen.names.iter();
    let seen = names.filter(|(of, _)| *of == signal);
    let mut cases: Cases<'_> = seen.map(|(_, name)| (name.as_str(), Vec::new())).collect();
    for placed in &report.findings {
        if placed.finding.signal == signal {
            let case = cases.entry(&placed.finding.name).or_default();
            case.push(&placed.finding);
        }
    }
    cases
}

fn failures(report: &Report, cases: &Cases<'_>) -> usize {
    let fails = |findings: &&Vec<&Finding>| {
        findings
            .iter()
            .any(|finding| report.fail_on.fails(finding.level))
    };
    cases.values().filter(fails).count()
}

fn suite(
    writer: &mut Writer<Vec<u8>>,
    report: &Report,
    signal: Signal,
    cases: &Cases<'_>,
) -> io::Result<()> {
    writer
        .create_element("testsuite")
        .with_attribute(("name", signal.name()))
        .with_attribute(("tests", cases.len().to_string().as_str()))
        .with_attribute(("failures", failures(report, cases).to_string().as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", "0"))
        .write_inner_content(|writer| {
            for (name, findings) in cases {
                case(writer, report, signal, name, findings)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn case(
    writer: &mut Writer<Vec<u8>>,
    report: &Report,
    signal: Signal,
    name: &str,
    findings: &[&Finding],
) -> io::Result<()> {
    let class = format!("conformance.{signal}");
    let name = allowed(name);
    let case = writer
        .create_element("testcase")
        .with_attribute(("classname", class.as_str()))
        .with_attribute(("name", name.as_str()));
    if findings.is_empty() {
        case.write_empty()?;
        return Ok(());
    }
    let (failing, other): (Vec<&Finding>, Vec<&Finding>) = findings
        .iter()
        .partition(|finding| report.fail_on.fails(finding.level));
    case.write_inner_content(|writer| {
        // Most readers show one failure of a case.
        if let Some(first) = failing.first() {
            let ids: BTreeSet<_> = failing.iter().map(|finding| finding.id.name()).collect();
            let ids: Vec<_> = ids.into_iter().collect();
            writer
                .create_element("failure")
                .with_attribute(("message", allowed(&first.message).as_str()))
                .with_attribute(("type", ids.join(" ").as_str()))
                .write_text_content(BytesText::new(&lines(&failing)))?;
        }
        if !other.is_empty() {
            writer
                .create_element("system-out")
                .write_text_content(BytesText::new(&lines(&other)))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn lines(findings: &[&Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    allowed(&lines.join("\n"))
}

/// Without what XML cannot hold, not even escaped.
fn allowed(text: &str) -> String {
    let one = |letter: char| match letter {
        '\t' | '\n' | '\r' => letter,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        letter if letter.is_control() && letter < ' ' => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(one).collect()
}
