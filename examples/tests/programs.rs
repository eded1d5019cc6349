//! Every program prints what stands at its top.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic as tests may"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Stands for what differs from run to run.
const WHATEVER: char = '…';

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The programs, in reading order.
fn programs() -> Vec<PathBuf> {
    let mut programs: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    programs.sort();
    programs
}

fn name(program: &Path) -> &str {
    program.file_stem().unwrap().to_str().unwrap()
}

/// The lines of the first fenced block of a program's documentation.
fn promised(source: &str) -> Vec<&str> {
    let documented = source.lines().map_while(|line| line.strip_prefix("//!"));
    documented
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .skip_while(|line| !line.starts_with("```text"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
        .collect()
}

/// Where cargo puts what it has compiled: beside this test.
fn compiled(program: &Path) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).unwrap();
    let name = format!("{}{}", name(program), std::env::consts::EXE_SUFFIX);
    let compiled = profile.join("examples").join(name);
    let modified = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    assert!(
        modified(&compiled) >= modified(program),
        "{} is not compiled as it is now: run `cargo build -p llasta-examples --examples` first",
        program.display()
    );
    compiled
}

fn is(promised: &str, printed: &str) -> bool {
    let mut parts = promised.split(WHATEVER);
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let at = if last {
            rest.rfind(part)
        } else {
            rest.find(part)
        };
        match at {
            Some(at) if at > 0 && (!last || at + part.len() == rest.len()) => {
                rest = &rest[at + part.len()..];
            }
            _ => return false,
        }
    }
    rest.is_empty()
}

#[test]
fn every_program_prints_what_stands_at_its_top() {
    let programs = programs();
    assert_eq!(programs.len(), 8);
    for program in programs {
        let source = std::fs::read_to_string(&program).unwrap();
        let promised = promised(&source);
        let run = Command::new(compiled(&program)).output().unwrap();
        let printed = String::from_utf8(run.stdout).unwrap();
        let lines: Vec<_> = printed.lines().collect();
        let name = name(&program);
        assert!(
            run.status.success(),
            "{name} fails: {}",
            String::from_utf8_lossy(&run.stderr)
        );
        let same = promised.len() == lines.len()
            && promised
                .iter()
                .zip(&lines)
                .all(|(promised, line)| is(promised, line));
        let promised = promised.join("\n");
        assert!(same, "{name} promises\n{promised}\nand prints\n{printed}");
    }
}

#[test]
fn every_program_is_listed_and_says_how_to_run_it() {
    let listed = include_str!("../src/lib.rs");
    let manifest = include_str!("../Cargo.toml");
    for program in programs() {
        let (name, source) = (name(&program), std::fs::read_to_string(&program).unwrap());
        assert!(
            listed.contains(&format!("//! | `{name}` |")),
            "{name} is not listed"
        );
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not built"
        );
        let command = format!("cargo run -p llasta-examples --example {name}`");
        assert!(source.contains(&command), "{name} does not say `{command}");
    }
}

#[test]
fn an_ellipsis_stands_for_anything_but_nothing() {
    assert!(is("a … c", "a b c") && is("…", "a") && is("a", "a") && is("…-…", "a-b-c"));
    assert!(!is("a … c", "a  c") && !is("…", "") && !is("a", "ab") && !is("a…c", "abd"));
}
