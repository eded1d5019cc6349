//! A test in a process of its own: for global subscribers and for the environment.

use std::process::{Command, Output};

const ALONE: &str = "LLASTA_TEST_ALONE";

/// Runs `body` in a new process of this test binary with these variables set, and gives back what
/// that process wrote. Inside that process it runs `body` and gives nothing back. The test is
/// found by the name of the closure, which holds the name of the function it stands in.
pub(crate) fn alone<F: FnOnce()>(variables: &[(&str, &str)], body: F) -> Option<Output> {
    let name = std::any::type_name::<F>();
    let name = name.split("::{{closure}}").next().unwrap();
    let (_, test) = name.split_once("::").unwrap();
    if std::env::var(ALONE).is_ok_and(|alone| alone == test) {
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (variable, _) in std::env::vars() {
        if ["OTEL_", "LLASTA_", "RUST_LOG"]
            .iter()
            .any(|ours| variable.starts_with(ours))
        {
            command.env_remove(variable);
        }
    }
    let output = command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, test)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stdout = text(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{test} with {variables:?}:\n{stdout}\n{}",
        text(&output.stderr)
    );
    Some(output)
}
