//! `llasta check`, while it looks.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use super::binary::{client, command};
use super::{DEADLINE, Ended};

#[derive(Debug)]
pub(crate) struct Checking {
    /// Where it receives OTLP; empty when it does not.
    pub(crate) endpoint: String,
    process: Child,
    input: Option<ChildStdin>,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Checking {
    /// Starts it, on a free port unless the arguments name one, and waits until it looks.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut all = vec!["check"];
        if !arguments.contains(&"--otlp") && !arguments.contains(&"--no-otlp") {
            all.extend(["--otlp", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let mut process = command(&all, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = process.stdout.take().unwrap();
        let stdout = tokio::spawn(async move {
            let mut text = String::new();
            output.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        let starting = async {
            while !said.lines().any(|line| line.starts_with("looking ")) {
                let read = errors.read_line(&mut said).await.unwrap();
                assert!(read > 0, "it ended: {said}");
            }
        };
        let started = tokio::time::timeout(DEADLINE, starting).await;
        assert!(started.is_ok(), "it does not start: {said}");
        let mut lines = said.lines();
        let endpoint = lines.find_map(|line| line.strip_prefix("listening for OTLP at "));
        Self {
            endpoint: endpoint.unwrap_or_default().to_owned(),
            input: process.stdin.take(),
            process,
            stdout,
            stderr: tokio::spawn(async move {
                errors.read_to_string(&mut said).await.unwrap();
                said
            }),
        }
    }

    /// Writes to its standard input, and closes that.
    pub(crate) async fn say(&mut self, text: &str) {
        let mut input = self.input.take().unwrap();
        input.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends it a signal such as `TERM`.
    pub(crate) async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.id().unwrap());
        let done = Command::new("sh").args(["-c", &kill]).status().await;
        assert!(done.unwrap().success());
    }

    /// How it ended, when it has.
    pub(crate) async fn ended(mut self) -> Ended {
        let waited = tokio::time::timeout(DEADLINE, self.process.wait()).await;
        Ended {
            status: waited.unwrap().unwrap(),
            stdout: self.stdout.await.unwrap(),
            stderr: self.stderr.await.unwrap(),
        }
    }

    /// The same after SIGTERM.
    pub(crate) async fn stop(self) -> Ended {
        self.signal("TERM").await;
        self.ended().await
    }
}

/// Sends OTLP as JSON to a path such as `/v1/traces`.
pub(crate) async fn post_otlp(endpoint: &str, path: &str, body: &Value) {
    let sent = client().post(format!("{endpoint}{path}")).json(body);
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
}
