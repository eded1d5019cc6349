//! Each line of the contract's sections 1 to 4, broken in what the real services say: the kit must
//! report it, and the unbroken services must have no findings.
//!
//! `contract` spells the contract out, `capture` runs the services, `table` lists breaks one by
//! one, `sweeps` breaks everything that the contract lists in one way after another, and
//! `scenarios` are services that fail as they should.

mod capture;
pub(crate) mod contract;
mod scenarios;
mod sweeps;
mod table;
mod text;

use llasta_telemetry::testing::conform::{Finding, FindingId};

use self::capture::{Captured, captured};

fn shown(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    lines.join("\n")
}

/// Breaks something, which says by which name it must be found.
#[track_caller]
fn caught(what: &str, id: FindingId, damage: impl FnOnce(&mut Captured) -> String) {
    let mut captured = captured();
    let name = damage(&mut captured);
    let findings = captured.findings();
    let found = findings
        .iter()
        .any(|finding| (finding.id, &finding.name) == (id, &name));
    assert!(
        found,
        "{what}, and no {id} of `{name}`:\n{}",
        shown(&findings)
    );
}

#[test]
fn what_the_unbroken_services_say_has_no_findings() {
    let captured = captured();
    assert_eq!(captured.findings(), [], "{}", shown(&captured.findings()));
}
