//! A server that streams, on a loopback port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::{Router, routing::get};
use futures_util::stream::unfold;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

/// Between two events, and before the first.
const PAUSE: Duration = Duration::from_millis(40);
const EVENTS: u32 = 5;

/// A runtime on which a server streams at `/stream`, without end at `/endless`, and never answers
/// at `/headless`.
pub(super) struct Streaming {
    pub(super) runtime: Runtime,
    pub(super) address: SocketAddr,
    started: UnboundedReceiver<()>,
    ended: UnboundedReceiver<()>,
}

impl Streaming {
    pub(super) fn start(around: impl FnOnce(Router) -> Router) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (ending, ended) = unbounded_channel();
        let (endless, headless) = (ending.clone(), ending.clone());
        let (starting, started) = unbounded_channel();
        let router = Router::new()
            .route("/stream", get(async move || events(EVENTS, ending.clone())))
            .route(
                "/endless",
                get(async move || events(u32::MAX, endless.clone())),
            )
            .route(
                "/headless",
                get(async move || {
                    let _ending = Ending(headless.clone());
                    let _ = starting.send(());
                    std::future::pending::<()>().await;
                }),
            );
        let router = around(router);
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            runtime,
            address,
            started,
            ended,
        }
    }

    /// Comes back when the handler that never answers has begun.
    pub(super) fn wait_for_the_start(&mut self) {
        let started = self.runtime.block_on(self.started.recv());
        started.expect("the router keeps the sender");
    }

    /// Comes back when the server has let go of a stream or a handler, and a moment later.
    pub(super) fn wait_for_the_end(&mut self) {
        let ended = &mut self.ended;
        self.runtime.block_on(async {
            timeout(Duration::from_secs(10), ended.recv())
                .await
                .expect("the server notices within ten seconds");
            sleep(PAUSE).await;
        });
    }
}

fn events(count: u32, ending: UnboundedSender<()>) -> Body {
    let state = (0, Ending(ending));
    Body::from_stream(unfold(state, move |(sent, ending)| async move {
        if sent == count {
            return None;
        }
        sleep(PAUSE).await;
        let event = "data: {\"content\":\"token\"}\n\n";
        Some((Ok::<_, Infallible>(event), (sent + 1, ending)))
    }))
}

/// Says when a stream or a handler is dropped.
struct Ending(UnboundedSender<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
