//! Requests by reqwest to a server on loopback, which has a thread of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use reqwest::header::CONTENT_TYPE;
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use tokio::runtime::{Builder, Runtime};

use super::{Proof, QUESTION};
use crate::measure::Subject;

/// A client, with or without middleware, that asks for one short answer after the other.
pub struct Client {
    runtime: Runtime,
    client: ClientWithMiddleware,
    prepare: fn(RequestBuilder) -> RequestBuilder,
    server: Echo,
    propagates: bool,
    proof: Proof,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// `propagates`: whether the server shall see a `traceparent` with each request.
    pub fn new(client: ClientWithMiddleware, propagates: bool, proof: Proof) -> Self {
        Self {
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            client,
            prepare: |request| request,
            server: Echo::start(),
            propagates,
            proof,
        }
    }

    /// What is done to each request before it is sent.
    #[must_use]
    pub fn with(mut self, prepare: fn(RequestBuilder) -> RequestBuilder) -> Self {
        self.prepare = prepare;
        self
    }
}

impl Subject for Client {
    fn batch(&mut self, count: usize) -> Box<dyn FnOnce() + '_> {
        let url = format!("http://{}/search", self.server.address);
        Box::new(move || {
            self.runtime.block_on(async {
                for _ in 0..count {
                    let request = self
                        .client
                        .post(&url)
                        .header(CONTENT_TYPE, "application/json")
                        .body(QUESTION);
                    let response = (self.prepare)(request).send().await.expect("an answer");
                    std::hint::black_box(response.bytes().await.expect("a body"));
                }
            });
        })
    }

    fn settle(&mut self) {
        self.proof.settle();
    }

    fn verify(&mut self, operations: u64) {
        let parents = if self.propagates { operations } else { 0 };
        assert_eq!(self.server.requests.load(Relaxed), operations, "requests");
        assert_eq!(self.server.parents.load(Relaxed), parents, "traceparent");
        self.proof.verify(operations);
    }
}

/// Answers every request with the same few bytes.
#[derive(Debug)]
struct Echo {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    /// Requests with a `traceparent`.
    parents: Arc<AtomicU64>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let echo = Self {
            address: listener.local_addr().expect("it is bound"),
            requests: Arc::default(),
            parents: Arc::default(),
        };
        let (requests, parents) = (echo.requests.clone(), echo.parents.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // It ends when the client goes.
                let _ = answer(&connection, &requests, &parents);
            }
        });
        echo
    }
}

fn answer(
    connection: &TcpStream,
    requests: &AtomicU64,
    parents: &AtomicU64,
) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    let mut writer = connection;
    let mut body = vec![0; QUESTION.len()];
    let mut line = String::new();
    loop {
        let mut parent = false;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            parent |= line.starts_with("traceparent:");
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut body)?;
        requests.fetch_add(1, Relaxed);
        parents.fetch_add(u64::from(parent), Relaxed);
        writer.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{\"results\":[]}",
        )?;
    }
}
