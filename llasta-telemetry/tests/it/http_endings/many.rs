//! Thousands of streams at once, of which a third hang up: totals add up exactly.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::join_all;
use futures_util::stream;
use http::Uri;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::watch;

use super::super::support::{Client, PATIENCE, Protocol, Shop, Span, serve, soon};

/// Chunks of an answer that is read to its end.
const CHUNKS: usize = 10;

/// Where clients and services wait until all clients have the beginning of their answer.
#[derive(Clone, Default)]
struct Gate {
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A client has come so far.
    async fn arrive(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.pass().await;
    }

    async fn pass(&self) {
        let mut open = self.open.subscribe();
        soon("the gate's opening", open.wait_for(|open| *open))
            .await
            .unwrap();
    }

    async fn full(&self, all: usize) {
        let mut waiting = self.waiting.subscribe();
        soon("the last of all clients", waiting.wait_for(|n| *n == all))
            .await
            .unwrap();
    }
}

/// An answer in chunks. One whose client will hang up has no end, as a feed has none: only the
/// client ends it.
async fn chunks(State(gate): State<Gate>, uri: Uri) -> Response {
    let endless = uri.query() == Some("endless");
    let chunks = stream::unfold(0, move |sent| {
        let gate = gate.clone();
        async move {
            if sent == 1 {
                gate.pass().await;
            } else if sent == CHUNKS && endless {
                std::future::pending::<()>().await;
            } else if sent == CHUNKS {
                return None;
            }
            tokio::task::yield_now().await;
            Some((Ok::<_, std::io::Error>("chunk"), sent + 1))
        }
    });
    Response::new(Body::from_stream(chunks))
}

/// Reads the beginning of an answer, waits for all others to have theirs, and reads it to its end
/// or so many chunks of it.
async fn read(mut client: Client, gate: Gate, until: Option<usize>) {
    let path = match until {
        Some(_) => "/it?endless",
        None => "/it",
    };
    let mut body = client.get(path).await.unwrap().into_body();
    let mut bytes = 0;
    let wanted = until.unwrap_or(CHUNKS) * "chunk".len();
    while let Some(frame) = soon("a chunk", body.frame()).await {
        if bytes == 0 {
            gate.arrive().await;
        }
        bytes += frame.unwrap().into_data().unwrap().len();
        if until.is_some() && bytes >= wanted {
            return;
        }
    }
    assert_eq!(bytes, wanted, "the answer's end");
}

/// After how many chunks a client hangs up: numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Has so many clients read at once, and checks what every part of the telemetry says of them.
async fn add_up(all: usize, clients: impl AsyncFnOnce(Router) -> Vec<Client>) {
    let mut shop = Shop::with_room_for(2 * all);
    let gate = Gate::default();
    let app = Router::new()
        .route("/it", get(chunks))
        .with_state(gate.clone())
        .layer(shop.telemetry.layer());
    let clients = clients(app).await;
    assert_eq!(clients.len(), all);

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut left = 0;
    let readers = clients.into_iter().enumerate().map(|(n, client)| {
        let until = (n % 3 == 0).then(|| 1 + random.below(CHUNKS));
        left += usize::from(until.is_some());
        tokio::spawn(read(client, gate.clone(), until))
    });
    let readers: Vec<_> = readers.collect();
    gate.full(all).await;
    let metrics = shop.metrics(Some("/it"));
    assert_eq!(metrics.in_flight.value(), all as i64, "all of them at once");
    gate.open.send_replace(true);
    for reader in join_all(readers).await {
        reader.unwrap();
    }
    // A server learns that a client has left a moment later.
    let mut lines = Vec::new();
    while lines.len() < all {
        lines.push(shop.lines.next().await);
    }

    let counts = metrics.requests.each_ref().map(|one| one.value());
    let (left, all) = (left as u64, all as u64);
    assert_eq!(counts, [all - left, 0, left], "success, error, cancelled");
    assert_eq!(metrics.in_flight.value(), 0);
    assert_eq!(metrics.duration.count(), all);
    assert_eq!(metrics.first_byte.unwrap().count(), all);

    let cancelled = lines.iter().filter(|line| line["outcome"] == "cancelled");
    assert_eq!(cancelled.count() as u64, left);
    assert_eq!(shop.lines.written(), None);

    let report = shop.telemetry.flush(PATIENCE).await;
    assert_eq!(
        (report.exported, report.dropped, report.failed),
        (all, 0, 0)
    );
    let spans = shop.collector.arrived();
    let word = |word: &str| {
        let same = |span: &&Span| span.get("error.type") == word;
        spans.iter().filter(same).count() as u64
    };
    assert_eq!(spans.len() as u64, all);
    assert_eq!(word("client_disconnect"), left);
    let whole = spans
        .iter()
        .filter(|span| span.get("error.type") == Value::Null);
    assert_eq!(whole.count() as u64, all - left);
    shop.telemetry.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_of_which_a_third_hang_up_add_up_in_process() {
    add_up(10_000, async |app| {
        let client = Client::connect(Protocol::InProcess, app).await;
        (0..10_000).map(|_| client.share()).collect()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_of_which_a_third_hang_up_add_up_over_a_hundred_connections() {
    // The connections stay open while their streams are read.
    let mut connections = Vec::new();
    add_up(10_000, async |app| {
        let address = serve(app).await;
        let mut clients = Vec::new();
        for _ in 0..100 {
            let connection = Client::dial(Protocol::Http2, address).await;
            clients.extend((0..100).map(|_| connection.share()));
            connections.push(connection);
        }
        clients
    })
    .await;
    assert_eq!(connections.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_which_a_third_hang_up_add_up() {
    // Each has two ends in this process, and other tests run beside this one.
    let all = usize::min(2_000, open_files() / 4);
    add_up(all, async |app| {
        let address = serve(app).await;
        let mut clients = Vec::new();
        for _ in 0..all {
            clients.push(Client::dial(Protocol::Http1, address).await);
        }
        clients
    })
    .await;
}

/// How many files this process may have open.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|limits| limits.split_whitespace().next()?.parse().ok())
        .unwrap_or(256)
}
