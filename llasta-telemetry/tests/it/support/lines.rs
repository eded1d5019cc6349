//! Log lines as they are written.

use llasta_telemetry::line::{LineSink, Style};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The lines of one telemetry.
#[derive(Debug)]
pub(crate) struct Lines(UnboundedReceiver<String>);

impl Lines {
    /// A sink, and what comes out of it.
    pub(crate) fn new() -> (LineSink, Self) {
        let (send, lines) = unbounded_channel();
        let sink = LineSink::new(Style::Json, move |line| {
            let _ = send.send(line.to_owned());
        });
        (sink, Self(lines))
    }

    /// The next line, waited for.
    pub(crate) async fn next(&mut self) -> Value {
        parse(
            &super::soon("a log line", self.0.recv())
                .await
                .expect("the sink is alive"),
        )
    }

    /// All lines that were written since somebody asked.
    pub(crate) fn all(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.written()).collect()
    }

    /// The next line that was written already.
    pub(crate) fn written(&mut self) -> Option<Value> {
        self.0.try_recv().ok().map(|line| parse(&line))
    }
}

fn parse(line: &str) -> Value {
    assert!(line.ends_with("}\n"), "not one whole line: {line:?}");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}
