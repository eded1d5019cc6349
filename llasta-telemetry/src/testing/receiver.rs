//! A collector on a loopback port, for services that run as processes of their own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::otlp::{FORWARD_DEADLINE, Forward, Forwarded, Kept, Received, Shared};
use super::{CapturedLog, CapturedPage, CapturedSpan, Evidence, conform};
use crate::error::{Error, ErrorKind};
use crate::schema::Schema;

/// How long the last answers may be on their way.
const LAST_BYTES: Duration = Duration::from_millis(250);

/// A collector that takes OTLP and keeps what it gets: traces, logs and metrics, over gRPC and
/// over HTTP (`/v1/traces`, `/v1/logs`, `/v1/metrics`, as protobuf or JSON) on one port, gzip or
/// not.
///
/// It runs on the tokio runtime it was made on, until it is dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// `None` once it has stopped.
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    /// Dropping it stops the server: no new connections, the open calls are answered.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl OtlpReceiver {
    /// Listens at an address such as `127.0.0.1:0`; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// An address that is none, or that is taken.
    pub async fn bind(address: &str) -> Result<Self, Error> {
        let failed = |error: std::io::Error| {
            let text = format!("cannot listen at `{address}` for OTLP: choose another address");
            Error::new(ErrorKind::System, text, error)
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = listener.tap_io(|connection| {
            // Slower without, that is all.
            let _ = connection.set_nodelay(true);
        });
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, shared.router()).with_graceful_shutdown(async {
            // An error means that the sender was dropped: the same.
            let _ = stopped.await;
        });
        let task = tokio::spawn(async {
            // Fails only when the listener does; the exporters' errors say so then.
            let _ = serving.await;
        });
        Ok(Self {
            shared,
            address,
            server: Some(Server { stop, task }),
        })
    }

    /// Also passes each request on, unchanged and over gRPC, to another collector. A failure
    /// there is counted in [`forwarded`](Self::forwarded) and does not concern the sender.
    ///
    /// # Errors
    ///
    /// An endpoint that is no address. Without a scheme it is `http`.
    pub fn forward_to(self, endpoint: &str) -> Result<Self, Error> {
        *lock(&self.shared.forward) = Some(Forward::to(endpoint)?);
        Ok(self)
    }

    /// Where exporters send to: `http://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far, in the order they came.
    pub fn spans(&self) -> Vec<CapturedSpan> {
        self.shared.store.look(|kept| kept.spans.clone())
    }

    /// The same, and forgets them.
    pub fn take_spans(&self) -> Vec<CapturedSpan> {
        let store = &self.shared.store;
        store.change(|kept| std::mem::take(&mut kept.spans))
    }

    /// How many spans there are so far.
    pub fn len(&self) -> usize {
        self.shared.store.look(|kept| kept.spans.len())
    }

    /// Whether none has come yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The log records so far, in the order they came.
    pub fn logs(&self) -> Vec<CapturedLog> {
        self.shared.store.look(|kept| kept.logs.clone())
    }

    /// The metrics as they are by now, a page for each instance of a service that sent some, with
    /// the names that Prometheus would give them.
    pub fn pages(&self) -> Vec<CapturedPage> {
        self.shared.store.look(Kept::pages)
    }

    /// All of it so far.
    pub fn evidence(&self) -> Evidence {
        self.shared.store.look(Kept::evidence)
    }

    /// The same, and forgets it.
    pub fn take_evidence(&self) -> Evidence {
        self.shared.store.change(Kept::take_evidence)
    }

    /// Compares all of it so far with a schema: see [`conform::check`].
    ///
    /// # Panics
    ///
    /// When something differs: with each finding on a line of its own.
    #[track_caller]
    pub fn assert_conforms(&self, schema: &Schema) {
        conform::assert_conforms(schema, &self.evidence());
    }

    /// How much came so far.
    pub fn received(&self) -> Received {
        self.shared.store.look(|kept| kept.received)
    }

    /// Why requests over HTTP were refused, each reason once.
    pub fn refusals(&self) -> Vec<String> {
        self.shared.store.look(|kept| kept.refusals.clone())
    }

    /// The spans, as soon as `enough` says so or when the deadline has passed: look again at what
    /// comes back.
    pub async fn wait_until(
        &self,
        mut enough: impl FnMut(&[CapturedSpan]) -> bool,
        deadline: Duration,
    ) -> Vec<CapturedSpan> {
        let store = &self.shared.store;
        store.wait_until(|kept| enough(&kept.spans), deadline).await;
        self.spans()
    }

    /// How much came, as soon as `enough` says so or when the deadline has passed.
    pub async fn wait_for(
        &self,
        mut enough: impl FnMut(&Received) -> bool,
        deadline: Duration,
    ) -> Received {
        let store = &self.shared.store;
        store
            .wait_until(|kept| enough(&kept.received), deadline)
            .await;
        self.received()
    }

    /// What became of what was passed on.
    pub fn forwarded(&self) -> Forwarded {
        let forward = lock(&self.shared.forward);
        forward.as_ref().map(Forward::forwarded).unwrap_or_default()
    }

    /// Takes no more, and waits until the open calls are answered and the port is free. What came
    /// can still be looked at.
    pub async fn close(&mut self) {
        if let Some(server) = self.server.take() {
            drop(server.stop);
            let answered = self.shared.answered();
            let _ = tokio::time::timeout(FORWARD_DEADLINE, answered).await;
            // An exporter may keep its idle connection open: the deadline is for that.
            let _ = tokio::time::timeout(LAST_BYTES, server.task).await;
        }
    }

    /// The same, and hands over what came.
    pub async fn stop(mut self) -> Evidence {
        self.close().await;
        self.take_evidence()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
