//! The rules of the house, read from its source.
//!
//! Each rule is a function from a file's path and text to what breaks it, and each has a test of
//! its own that it catches a breach. A crate that stands alone in a package archive has no house
//! around it: then the rules have nothing to read and say so.

mod rules;
mod source;

use self::rules::Breach;
use self::source::{Source, code, workspace};

fn check(rule: impl Fn(&Source) -> Vec<Breach>) {
    let Some(files) = workspace() else {
        println!("not checked: the crate stands alone");
        return;
    };
    assert!(files.len() > 100, "only {} files were found", files.len());
    let breaches: Vec<String> = files
        .iter()
        .flat_map(rule)
        .map(|breach| breach.to_string())
        .collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn an_upper_floor_imports_only_lower_ones() {
    check(rules::floors);
    let breaks = |path: &str, text: &str| !rules::floors(&source(path, text)).is_empty();
    assert!(breaks(
        "llasta-telemetry/src/schema/rag.rs",
        "use crate::span::Span;"
    ));
    assert!(breaks(
        "llasta-telemetry/src/span/typed.rs",
        "fn f() { crate::http::x() }"
    ));
    assert!(breaks(
        "llasta-telemetry/src/http/mod.rs",
        "use crate::{client, span};"
    ));
    assert!(breaks(
        "llasta-telemetry/src/metrics/mod.rs",
        "use crate::install::Builder;"
    ));
    assert!(breaks(
        "llasta-telemetry/src/http/body.rs",
        "use super::super::client::UrlTemplate;"
    ));
    assert!(breaks(
        "llasta-telemetry/src/span/mod.rs",
        "use super::http::Failure;"
    ));
    assert!(!breaks(
        "llasta-telemetry/src/http/body.rs",
        "use super::client::Client;"
    ));
    assert!(!breaks(
        "llasta-telemetry/src/http/mod.rs",
        "use crate::span::Span; // crate::client"
    ));
    assert!(!breaks(
        "llasta-telemetry/src/install.rs",
        "use crate::{pipeline, log};"
    ));
}

#[test]
fn no_telemetry_name_is_a_string_literal_outside_the_schema() {
    check(rules::names);
    let breaks = |path: &str, text: &str| !rules::names(&source(path, text)).is_empty();
    assert!(breaks(
        "llasta-telemetry/src/llm/call.rs",
        r#"span.set("llm.model", x);"#
    ));
    assert!(breaks(
        "llasta-rag/src/service/llm.rs",
        r#"counter("chatbot_requests_total")"#
    ));
    assert!(breaks("llasta-rag/src/a.rs", r#"let name = "http.route";"#));
    // One quotation mark more or less in a literal does not hide what comes after it.
    assert!(breaks(
        "llasta-rag/src/a.rs",
        "let quote = \"a \\\" b\"; let c = '\"'; let name = \"llm.model\";"
    ));
    assert!(!breaks(
        "llasta-telemetry/src/schema/llm.rs",
        r#"MODEL: "llm.model" => str"#
    ));
    assert!(!breaks(
        "llasta-rag/src/a.rs",
        "// the attribute \"llm.model\"\nlet a = \"llama.cpp\";"
    ));
    assert!(!breaks(
        "llasta-rag/src/a.rs",
        "fn f() {}\n#[cfg(test)]\nmod tests { \"rag.query\" }"
    ));
}

#[test]
fn files_stay_within_their_size() {
    check(rules::size);
    let long = "let a = 1;\n".repeat(501);
    assert_eq!(rules::size(&source("llasta-rag/src/a.rs", &long)).len(), 1);
    let mostly_comments = format!("{}{}", "// why\n\n".repeat(900), "let a = 1;\n".repeat(500));
    assert!(rules::size(&source("llasta-rag/src/a.rs", &mostly_comments)).is_empty());
}

#[test]
fn llasta_rag_reaches_the_pipeline_only_from_its_binary() {
    check(rules::pipeline);
    let breaks = |path: &str, text: &str| !rules::pipeline(&source(path, text)).is_empty();
    assert!(breaks(
        "llasta-rag/src/service/llm.rs",
        "let t = Telemetry::builder(\"x\");"
    ));
    assert!(breaks(
        "llasta-rag/src/api/mod.rs",
        "use llasta_telemetry::pipeline::QueueLimits;"
    ));
    assert!(!breaks(
        "llasta-rag/src/cli/serve.rs",
        "let t = Telemetry::builder(\"x\");"
    ));
    assert!(!breaks("llasta-rag/src/lib.rs", "pub mod pipeline;"));
}

#[test]
fn there_is_no_unsafe_code() {
    check(rules::no_unsafe);
    let breaks = |text: &str| !rules::no_unsafe(&source("llasta-rag/src/a.rs", text)).is_empty();
    assert!(breaks("unsafe { f() }"));
    assert!(breaks("#![allow(unsafe_code)]"));
    assert!(breaks("let a = '\"'; unsafe { f() }"));
    assert!(breaks("let a = \"\\\"\"; unsafe { f() }"));
    assert!(!breaks("// unsafe is a word here\nlet text = \"unsafe\";"));
}

#[test]
fn the_top_level_holds_what_the_design_says() {
    let Some(root) = source::root() else {
        println!("not checked: the crate stands alone");
        return;
    };
    let known = [
        "Cargo.lock",
        "Cargo.toml",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "docs",
        "examples",
        "llasta-rag",
        "llasta-telemetry",
    ];
    // What is made while one works lies there too, and is not part of the house.
    let made = ["target", "llasta-data"];
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let expected = name.starts_with('.') || known.contains(&&*name) || made.contains(&&*name);
        assert!(expected, "`{name}` has no place at the top level");
    }
}

#[test]
fn what_is_no_code_is_left_out() {
    let text = "let a = \"// no comment\"; // comment\n/* block\n */ let b = 'x'; /// doc\nlet c = r#\"raw \" text\"#;";
    let code = code(text);
    assert!(code.contains("\"// no comment\""), "{code}");
    assert!(
        !code.contains("comment\n") && !code.contains("block") && !code.contains("doc"),
        "{code}"
    );
    assert!(
        code.contains("let b") && code.contains("raw \" text"),
        "{code}"
    );
}
