//! Requests in process, over HTTP/1 and over HTTP/2.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::body::Body;
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    InProcess,
    Http1,
    Http2,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::InProcess, Self::Http1, Self::Http2];
}

/// One client with one connection, which is gone when this is dropped.
pub(crate) struct Client {
    sender: Sender,
    connection: Option<JoinHandle<()>>,
    host: String,
}

enum Sender {
    InProcess(Router),
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// Serves a router on a loopback port, until the test's runtime ends.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Small writes that wait for the other side's acknowledgement would take 40 ms now and then.
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

impl Client {
    pub(crate) async fn connect(protocol: Protocol, app: Router) -> Self {
        if protocol == Protocol::InProcess {
            return Self {
                sender: Sender::InProcess(app),
                connection: None,
                host: "in-process".to_owned(),
            };
        }
        Self::dial(protocol, serve(app).await).await
    }

    /// A client of a router that is served already.
    pub(crate) async fn dial(protocol: Protocol, address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let socket = TokioIo::new(socket);
        let (sender, connection) = if protocol == Protocol::Http1 {
            let (sender, connection) = http1::handshake(socket).await.unwrap();
            let connection = connection.with_upgrades();
            (Sender::Http1(sender), tokio::spawn(connection.map(|_| ())))
        } else {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), socket)
                .await
                .unwrap();
            (Sender::Http2(sender), tokio::spawn(connection.map(|_| ())))
        };
        Self {
            sender,
            connection: Some(connection),
            host: address.to_string(),
        }
    }

    /// Another client in process, or another user of the same HTTP/2 connection, which this one
    /// goes on to hold.
    pub(crate) fn share(&self) -> Self {
        let sender = match &self.sender {
            Sender::InProcess(app) => Sender::InProcess(app.clone()),
            Sender::Http2(sender) => Sender::Http2(sender.clone()),
            Sender::Http1(_) => panic!("HTTP/1 has one request at a time"),
        };
        Self {
            sender,
            connection: None,
            host: self.host.clone(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Response<Body>, BoxError> {
        self.send(Request::get(path)).await
    }

    /// Sends a request without a body and waits for the head of the answer. A handler that panics
    /// in process is an error, as it is over a socket.
    pub(crate) async fn send(
        &mut self,
        request: http::request::Builder,
    ) -> Result<Response<Body>, BoxError> {
        let mut request = request.body(Body::empty()).unwrap();
        match &mut self.sender {
            Sender::InProcess(app) => {
                let answer = AssertUnwindSafe(app.clone().oneshot(request)).catch_unwind();
                match answer.await {
                    Ok(Ok(response)) => Ok(response),
                    Err(_) => Err("the handler panicked".into()),
                }
            }
            Sender::Http1(sender) => {
                let host = self.host.parse().unwrap();
                request.headers_mut().insert(http::header::HOST, host);
                Ok(over_socket(sender.send_request(request).await?))
            }
            Sender::Http2(sender) => {
                let path = request.uri().path_and_query().unwrap();
                let uri = format!("http://{}{path}", self.host);
                *request.uri_mut() = uri.parse().unwrap();
                Ok(over_socket(sender.send_request(request).await?))
            }
        }
    }
}

fn over_socket(response: Response<hyper::body::Incoming>) -> Response<Body> {
    response.map(Body::new)
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }
}

/// Reads a body to its end.
pub(crate) async fn body_text<B>(body: B) -> Result<String, B::Error>
where
    B: http_body::Body,
{
    let bytes = super::soon("the end of the body", body.collect())
        .await?
        .to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A body whose frames the test sends one by one. It ends when the sender is dropped.
pub(crate) fn stream_of() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>, Body) {
    let (send, frames) = mpsc::unbounded_channel();
    (send, Body::new(StreamBody::new(frames_of(frames))))
}

fn frames_of<T: Send>(frames: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    futures_util::stream::unfold(frames, |mut frames| async {
        frames.recv().await.map(|frame| (frame, frames))
    })
}
