//! What the numbers depend on: processor, compiler and versions.

use std::path::Path;
use std::process::Command;

/// Crates whose versions are named, as the two lock files have them.
const OURS: &[&str] = &["axum", "tokio", "opentelemetry", "reqwest-middleware"];
const PEERS: &[&str] = &[
    "axum",
    "tower-http",
    "axum-tracing-opentelemetry",
    "opentelemetry-instrumentation-tower",
    "axum-prometheus",
    "axum-otel-metrics",
    "tracing-opentelemetry",
    "opentelemetry_sdk",
    "reqwest-tracing",
    "prometheus",
    "prometheus-client",
];

/// The sentences under the tables.
pub(crate) fn describe(benches: &Path) -> String {
    format!(
        "Measured on {}: {}, {} cores, {}; {}, {}, thin LTO and one codegen unit; {}.\n\n\
         Versions beside this SDK: {}. Beside the peers: {}.",
        said("date", &["-u", "+%-d %B %Y"]),
        processor(),
        std::thread::available_parallelism().map_or(1, usize::from),
        said("getconf", &["GNU_LIBC_VERSION"]),
        said("rustc", &["--version"]),
        std::env::consts::ARCH,
        said("valgrind", &["--version"]),
        versions(&benches.join("../Cargo.lock"), OURS),
        versions(&benches.join("peers/Cargo.lock"), PEERS),
    )
}

/// The first line that a program prints.
fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text
        .ok()
        .and_then(|text| text.lines().next().map(str::to_owned));
    line.unwrap_or_else(|| format!("{program} unknown"))
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'))
            .map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
    };
    format!(
        "{} (family {}, model {})",
        field("model name"),
        field("cpu family"),
        field("model\t")
    )
}

fn versions(lock: &Path, names: &[&str]) -> String {
    let text = std::fs::read_to_string(lock).unwrap_or_default();
    let named = names.iter().map(|name| {
        let entry = format!("name = \"{name}\"\nversion = \"");
        let found: Vec<&str> = text
            .split(&entry)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        format!("{name} {}", found.join(" and "))
    });
    named.collect::<Vec<_>>().join(", ")
}
