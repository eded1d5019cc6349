//! The rules themselves.

use std::fmt;

use llasta_telemetry::schema::Schema;

use super::source::{Source, code, parted, shipped};

/// What breaks a rule, and where.
pub(super) struct Breach {
    path: String,
    why: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

fn breach(source: &Source, why: impl Into<String>) -> Breach {
    Breach {
        path: source.path.clone(),
        why: why.into(),
    }
}

/// The modules of each floor of the SDK, the lowest first; the last is the roof.
const FLOORS: [&[&str]; 4] = [
    &["schema"],
    &[
        "content",
        "context",
        "error",
        "line",
        "metrics",
        "span",
        "telemetry",
    ],
    &[
        "client", "http", "llm", "log", "pipeline", "registry", "testing",
    ],
    &["install", "lib"],
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// An upper floor imports a lower one; on floor 3 and above nobody imports a neighbour.
pub(super) fn floors(source: &Source) -> Vec<Breach> {
    let Some(path) = source.path.strip_prefix("llasta-telemetry/src/") else {
        return Vec::new();
    };
    let module = path.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = floor(module) else {
        return vec![breach(
            source,
            format!("`{module}` stands on no floor: give it one in this test"),
        )];
    };
    let mut breaches = Vec::new();
    // As many `super::` as lead to the crate's root are another way to write `crate::`.
    let depth = path.trim_end_matches("/mod.rs").matches('/').count() + 1;
    let code = shipped(&source.text).replace(&"super::".repeat(depth), "crate::");
    for other in imported(&code) {
        let Some(theirs) = floor(&other) else {
            continue;
        };
        let sideways = theirs == own && own == 2 && other != module;
        // Floor 2 is one room: its modules lean on each other.
        if theirs > own || sideways {
            breaches.push(breach(
                source,
                format!("imports `{other}`, which does not stand below `{module}`"),
            ));
        }
    }
    breaches
}

/// The modules of the crate that a text names: `crate::a`, `crate::{a, b::c}`.
fn imported(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut word = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(letter),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(rest.to_owned());
        }
    }
    let first = |path: String| {
        path.trim()
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next()
            .map(str::to_owned)
    };
    found.into_iter().filter_map(first).collect()
}

/// Names of attributes, spans and metrics are written once, in the schema.
pub(super) fn names(source: &Source) -> Vec<Breach> {
    let in_a_library = ["llasta-telemetry/src/", "llasta-rag/src/"]
        .iter()
        .any(|root| source.path.starts_with(root));
    let tests = source.path.ends_with("/tests.rs");
    let schemas = ["llasta-telemetry/src/schema/", "llasta-rag/src/schema/"];
    let in_a_schema = schemas.iter().any(|path| source.path.starts_with(path));
    if !in_a_library || tests || in_a_schema {
        return Vec::new();
    }
    let schema = Schema::contract();
    let code = shipped(&source.text);
    let is_a_name = |text: &&str| {
        schema.owns(text) && !text.contains(' ')
            || schema.key(text).is_some()
            || schema.metric(text).is_some()
            || schema.span(text).is_some()
    };
    parted(&code)
        .1
        .into_iter()
        .filter(is_a_name)
        .map(|name| {
            breach(
                source,
                format!("\"{name}\" is a telemetry name: take it from the schema"),
            )
        })
        .collect()
}

/// 500 lines of code are the end.
pub(super) fn size(source: &Source) -> Vec<Breach> {
    let lines = shipped(&source.text)
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count();
    if lines <= 500 {
        return Vec::new();
    }
    vec![breach(
        source,
        format!("{lines} lines of code: split it by concern, 500 are the end"),
    )]
}

/// The library takes a telemetry; only the binary makes one.
pub(super) fn pipeline(source: &Source) -> Vec<Breach> {
    let library = source.path.strip_prefix("llasta-rag/src/");
    if library.is_none_or(|path| path.starts_with("cli/") || path == "main.rs") {
        return Vec::new();
    }
    let code = shipped(&source.text);
    [
        "Telemetry::builder",
        "llasta_telemetry::pipeline",
        "llasta_telemetry::Builder",
    ]
    .iter()
    .filter(|word| code.contains(*word))
    .map(|word| {
        breach(
            source,
            format!("names `{word}`: that belongs to the binary"),
        )
    })
    .collect()
}

/// Nothing is `unsafe`, and nothing allows it.
pub(super) fn no_unsafe(source: &Source) -> Vec<Breach> {
    // The rules name what they look for, and two files speak with FAISS, one of them of GPUs.
    let ffi = [
        "llasta-rag/src/index/ffi.rs",
        "llasta-rag/src/index/ffi_gpu.rs",
    ];
    if source.path.contains("tests/it/house") || ffi.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let code = code(&source.text);
    let (outside, _) = parted(&code);
    let outside = outside.replace("#![forbid(unsafe_code)]", "");
    let words = outside.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words
        .filter(|word| ["unsafe", "unsafe_code"].contains(word))
        .map(|word| breach(source, format!("`{word}`")))
        .collect()
}
