//! The binary, as processes.

use std::process::{ExitStatus, Stdio};

use llasta_telemetry::testing::conform;
use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::DEADLINE;

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }

    /// Each of these stands in what it wrote to standard output.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stdout.contains(word), "no {word:?}: {}", self.stdout);
        }
    }

    /// Each of these stands in what it wrote to standard error.
    #[track_caller]
    pub(crate) fn complains(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?}: {}", self.stderr);
        }
    }
}

/// The binary with nothing of this process's settings but where temporary files go.
pub(crate) fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llasta"));
    command.args(arguments).env_clear().kill_on_drop(true);
    for kept in ["TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    // Nobody listens at the default address; the tests of exporting name their own.
    command.env("OTEL_TRACES_EXPORTER", "none");
    command.envs(environment.iter().copied());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> impl Future<Output = Ended> + use<> {
    let running = command(arguments, environment)
        .stdin(Stdio::null())
        .output();
    async {
        let ended = tokio::time::timeout(DEADLINE, running).await;
        let output = ended.unwrap().unwrap();
        Ended {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A service of the binary, which listens.
#[derive(Debug)]
pub(crate) struct Llasta {
    pub(crate) url: String,
    process: Child,
    input: Option<ChildStdin>,
    lines: watch::Receiver<Vec<Value>>,
    reading: JoinHandle<()>,
    stderr: JoinHandle<String>,
}

impl Llasta {
    /// `llasta serve …` on a free port.
    pub(crate) async fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut all = vec!["serve"];
        all.extend(arguments);
        all.extend(["--port", "0", "--stop-with-stdin"]);
        let mut process = command(&all, environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut errors = process.stderr.take().unwrap();
        let (write, lines) = watch::channel(Vec::new());
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let json = serde_json::from_str(&line);
                let json: Value = json.unwrap_or_else(|_| panic!("no JSON: {line}"));
                write.send_modify(|lines| lines.push(json));
            }
        });
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut service = Self {
            url: String::new(),
            process,
            input,
            lines,
            reading,
            stderr,
        };
        let listening = service.line(|line| line["message"] == "listening").await;
        service.url = listening["url"].as_str().unwrap().to_owned();
        if arguments.first() == Some(&"faiss-wrap") {
            service.line(|line| line["message"] == "ready").await;
        }
        service
    }

    /// The first line of the log that is meant, as soon as it is written.
    pub(crate) async fn line(&mut self, meant: impl Fn(&Value) -> bool) -> Value {
        let there = self.lines.wait_for(|lines| lines.iter().any(&meant));
        // Without the line there is what it wrote instead.
        let _ = tokio::time::timeout(DEADLINE, there).await;
        let lines = self.lines.borrow();
        match lines.iter().find(|line| meant(line)) {
            Some(line) => line.clone(),
            None => panic!("no such line: {lines:#?}"),
        }
    }

    /// Waits until the log says enough.
    pub(crate) async fn lines_until(&mut self, enough: impl Fn(&[Value]) -> bool) {
        self.lines.wait_for(|lines| enough(lines)).await.unwrap();
    }

    /// The log so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.borrow().clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = client().get(format!("{}{path}", self.url)).send().await;
        answer.unwrap().json().await.unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = client().get(format!("{}{path}", self.url)).send().await;
        answer.unwrap().text().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = client().post(format!("{}{path}", self.url)).json(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Kills it as the kernel does when memory is short: it gets to do nothing more.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Ends it politely. Whatever it wrote is a line of the log as the contract has them.
    pub(crate) async fn stop(mut self) -> Vec<Value> {
        drop(self.input.take());
        let (ended, lines) = self.ended().await;
        ended.expect(0);
        let texts: Vec<_> = lines.iter().map(Value::to_string).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        assert_eq!(conform::log_lines(&texts), []);
        lines
    }

    /// How it ended, and its whole log.
    pub(crate) async fn ended(mut self) -> (Ended, Vec<Value>) {
        let waited = tokio::time::timeout(DEADLINE, self.process.wait()).await;
        let status = waited.unwrap().unwrap();
        self.reading.await.unwrap();
        let ended = Ended {
            status,
            stdout: String::new(),
            stderr: self.stderr.await.unwrap(),
        };
        (ended, self.lines.borrow().clone())
    }
}

/// Whatever proxy the environment names: it cannot know this machine's ports.
pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}
