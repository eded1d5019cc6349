//! The thread that exports.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError};
use std::thread::{Builder, Thread};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanExporter;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};

use super::queue::{Command, Queue};
use crate::error::{Error, ErrorKind};

/// How often the log says that exporting fails.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Starts the thread and waits until its exporter is built.
pub(super) fn spawn<E: SpanExporter + 'static>(
    queue: Arc<Queue>,
    exporter: impl FnOnce() -> Result<E, Error> + Send + 'static,
) -> Result<Thread, Error> {
    let (ready, wait) = sync_channel(1);
    let thread = Builder::new().name("llasta-export".into()).spawn(move || {
        let built = RuntimeBuilder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| system("the exporter's runtime could not be started", source))
            .and_then(|runtime| {
                let _entered = runtime.enter();
                let exporter = exporter()?;
                drop(_entered);
                Ok((runtime, exporter))
            });
        match built {
            Ok((runtime, exporter)) => {
                let _ = ready.send(Ok(()));
                Worker {
                    queue,
                    runtime,
                    exporter,
                    complained: None,
                }
                .run();
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
    let handle =
        thread.map_err(|source| system("the exporter's thread could not be started", source))?;
    wait.recv()
        .map_err(|source| system("the exporter's thread ended at once", source))??;
    Ok(handle.thread().clone())
}

fn system(message: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::System, format!("{message}: {source}"), source)
}

struct Worker<E> {
    queue: Arc<Queue>,
    runtime: Runtime,
    exporter: E,
    complained: Option<Instant>,
}

impl<E: SpanExporter> Worker<E> {
    fn run(mut self) {
        let mut last = Instant::now();
        loop {
            std::thread::park_timeout(self.queue.limits.delay.saturating_sub(last.elapsed()));
            self.queue.woken.store(false, Relaxed);
            let commands: Vec<Command> = std::mem::take(
                &mut *self
                    .queue
                    .commands
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            let due = last.elapsed() >= self.queue.limits.delay
                || self.queue.spans.len() >= self.queue.limits.batch;
            if commands.is_empty() && !due {
                continue;
            }
            let until = commands.iter().map(|command| command.until).min();
            self.export_all(until);
            last = Instant::now();
            let stop = commands.iter().any(|command| command.stop);
            if stop {
                let _ = self.exporter.shutdown();
            }
            for command in commands {
                let _ = command.done.send(());
            }
            if stop {
                return;
            }
        }
    }

    /// Exports what waits now, batch by batch, while there is time.
    fn export_all(&mut self, until: Option<Instant>) {
        let mut left = self.queue.spans.len();
        while left > 0 {
            let timeout = match until {
                Some(until) => until
                    .saturating_duration_since(Instant::now())
                    .min(self.queue.limits.timeout),
                None => self.queue.limits.timeout,
            };
            if timeout.is_zero() {
                return;
            }
            let batch: Vec<_> = std::iter::from_fn(|| self.queue.spans.pop())
                .take(left.min(self.queue.limits.batch))
                .collect();
            if batch.is_empty() {
                return;
            }
            let size = batch.len();
            left = left.saturating_sub(size);
            let export = self.exporter.export(batch);
            let result = self
                .runtime
                .block_on(async { tokio::time::timeout(timeout, export).await });
            match result {
                Ok(Ok(())) => {
                    self.queue.exported.fetch_add(size as u64, Relaxed);
                    self.recovered();
                }
                Ok(Err(error)) => self.failed(size, &error.to_string()),
                Err(_) => self.failed(size, "the collector did not answer in time"),
            }
        }
    }

    fn failed(&mut self, spans: usize, why: &str) {
        self.queue.failed.fetch_add(spans as u64, Relaxed);
        if self
            .complained
            .is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY)
        {
            self.complained = Some(Instant::now());
            tracing::warn!(
                spans,
                error = why,
                "spans could not be exported: check that the collector runs and OTEL_EXPORTER_OTLP_ENDPOINT names it \
                 (OTEL_TRACES_EXPORTER=none switches exporting off)"
            );
        }
    }

    fn recovered(&mut self) {
        if self.complained.take().is_some() {
            tracing::info!("spans are exported again");
        }
    }
}
