//! The services as child processes.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llasta_telemetry::testing::OtlpReceiver;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::failure::Failure;

/// How long a service may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the variables begin that change what a service does, proxies among them.
const SETTINGS: [&str; 15] = [
    "OTEL_",
    "LLASTA_",
    "APP_",
    "RAG_",
    "VLLM_",
    "LLM_",
    "FAISS_WRAP_",
    "MAX_BODY_BYTES",
    "DATA_DIR",
    "EMBED_MODEL",
    "INDEX",
    "MILVUS_",
    "RUST_LOG",
    "HTTP_PROXY",
    "ALL_PROXY",
];

/// A service that runs until its standard input ends: it cannot outlive the demo.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    url: String,
    process: tokio::process::Child,
    input: ChildStdin,
    lines: Arc<Mutex<Vec<String>>>,
    reading: JoinHandle<()>,
}

impl Child {
    /// Starts `llasta serve NAME` on a free loopback port and waits until it listens.
    pub(super) async fn start(
        name: &'static str,
        receiver: &OtlpReceiver,
        settings: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let cannot =
            |error: std::io::Error| Failure::of(format!("{name} could not be started"), &error);
        let program = std::env::current_exe().map_err(cannot)?;
        let mut command = Command::new(program);
        command.args([
            "serve",
            name,
            "--stop-with-stdin",
            "--port",
            "0",
            "--host",
            "127.0.0.1",
        ]);
        // What the demo's own environment says must not change what the demo shows.
        for (variable, _) in std::env::vars_os() {
            let variable = variable.to_string_lossy();
            let upper = variable.to_ascii_uppercase();
            if SETTINGS.iter().any(|prefix| upper.starts_with(prefix)) {
                command.env_remove(&*variable);
            }
        }
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
            .env("LLASTA_LOG_FORMAT", "json")
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().map_err(cannot)?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::new(format!(
                "{name} could not be started: it has no pipes"
            )));
        };
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (listening, listens) = oneshot::channel();
        let reading = tokio::spawn(read(BufReader::new(output), lines.clone(), listening));
        let url = match tokio::time::timeout(PATIENCE, listens).await {
            Ok(Ok(url)) => url,
            Ok(Err(_)) => {
                return Err(Failure::new(format!(
                    "{name} ended before it listened; its last line says why: {}",
                    last(&lines)
                )));
            }
            Err(_) => {
                return Err(Failure::new(format!(
                    "{name} does not listen after {} s",
                    PATIENCE.as_secs()
                )));
            }
        };
        Ok(Self {
            name,
            url,
            process,
            input,
            lines,
            reading,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it, politely, and hands out the lines it wrote.
    pub(super) async fn stop(mut self) -> Result<Lines, Failure> {
        drop(self.input);
        let waited = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        match waited {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => {
                return Err(Failure::new(format!("{} ended with {status}", self.name)));
            }
            Ok(Err(error)) => {
                return Err(Failure::of(
                    format!("{} could not be waited for", self.name),
                    &error,
                ));
            }
            Err(_) => return Err(Failure::new(format!("{} does not stop", self.name))),
        }
        let _ = self.reading.await;
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        // The stand-in speaks under the name of what it stands in for.
        let service = match self.name {
            "llm" => "vllm",
            name => name,
        };
        Ok(Lines { service, lines })
    }
}

/// The log of one service.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) service: &'static str,
    pub(super) lines: Vec<String>,
}

/// Keeps the lines; the one that says where the service listens is what `start` waits for.
async fn read(
    output: BufReader<tokio::process::ChildStdout>,
    kept: Arc<Mutex<Vec<String>>>,
    listening: oneshot::Sender<String>,
) {
    let mut listening = Some(listening);
    let mut lines = output.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if listening.is_some()
            && let Ok(json) = serde_json::from_str::<Value>(&line)
            && json.get("message").and_then(Value::as_str) == Some("listening")
            && let Some(url) = json.get("url").and_then(Value::as_str)
            && let Some(listening) = listening.take()
        {
            let _ = listening.send(url.to_owned());
        }
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }
}

fn last(lines: &Mutex<Vec<String>>) -> String {
    lines
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .last()
        .cloned()
        .unwrap_or_default()
}

/// A folder that goes away with the demo.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf, String);

impl Scratch {
    pub(super) fn create() -> Result<Self, Failure> {
        let temp = std::env::temp_dir();
        let name = |number| temp.join(format!("llasta-demo-{}-{number}", std::process::id()));
        // One that is there already is another's, or what a demo left that was killed.
        let made = (0..100)
            .map(name)
            .find_map(|path| match std::fs::create_dir(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
                Err(error) => Some(Err(Failure::of(
                    format!("{} could not be made", path.display()),
                    &error,
                ))),
                Ok(()) => Some(Ok(path)),
            });
        let path = made.unwrap_or_else(|| {
            Err(Failure::new(format!(
                "{} is full of folders llasta-demo-*: remove them",
                temp.display()
            )))
        })?;
        let text = path.to_string_lossy().into_owned();
        Ok(Self(path, text))
    }

    pub(super) fn path(&self) -> &str {
        &self.1
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
