//! Requests that become something else: they end where the other protocol begins.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use http::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use llasta_telemetry::schema::labels::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::support::{Client, Protocol, Shop, soon};
use super::Note;

/// A route that becomes a protocol which says back what it is told. It answers as HTTP/1 and
/// HTTP/2 want it.
fn echo(answered: &Note) -> Router {
    let answered = answered.clone();
    Router::new().route(
        "/it",
        any(move |mut request: Request| async move {
            let is_connect = request.method() == Method::CONNECT;
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                // In process there is no connection that could become anything.
                let Ok(upgraded) = upgrade.await else { return };
                let mut upgraded = TokioIo::new(upgraded);
                let mut word = [0; 5];
                while upgraded.read_exact(&mut word).await.is_ok() {
                    upgraded.write_all(&word).await.unwrap();
                }
            });
            let mut response = Response::new(Body::empty());
            if !is_connect {
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                let headers = response.headers_mut();
                headers.insert("connection", "upgrade".parse().unwrap());
                headers.insert("upgrade", "echo".parse().unwrap());
            }
            answered.now();
            response
        }),
    )
}

/// Asks for the other protocol.
pub(super) async fn upgrade(client: &mut Client, protocol: Protocol) -> Response {
    let request = http::Request::builder().uri("/it");
    let request = match protocol {
        Protocol::Http2 => request
            .method(Method::CONNECT)
            .extension(hyper::ext::Protocol::from_static("echo")),
        _ => request
            .header("connection", "upgrade")
            .header("upgrade", "echo"),
    };
    client.send(request).await.unwrap()
}

/// A client that knows what the server can: over HTTP/2 it has to say that it takes `CONNECT` for
/// other protocols, which a first answer proves.
pub(super) async fn introduced(protocol: Protocol, shop: &Shop, answered: &Note) -> Client {
    let app = echo(answered)
        .layer(shop.telemetry.layer())
        .route("/ready", any(|| async {}));
    let mut client = Client::connect(protocol, app).await;
    client.get("/ready").await.unwrap();
    client
}

#[tokio::test]
async fn an_upgrade_is_a_success_when_the_head_is_handed_over() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let mut client = introduced(protocol, &shop, &Note::default()).await;
        let mut response = upgrade(&mut client, protocol).await;
        let (status, method) = match protocol {
            Protocol::Http2 => (200, "CONNECT"),
            _ => (101, "GET"),
        };
        assert_eq!(response.status(), status);

        // The other protocol goes on, and the request is settled: it says nothing of how long a
        // web socket was open.
        let settled = shop.settled(Some("/it"), Outcome::Success).await;
        assert_eq!(settled.status(), Some(status.into()));
        assert_eq!(settled.error(), None);
        assert_eq!(settled.span.get("http.request.method"), method);
        let first_byte = shop.metrics(Some("/it")).first_byte.unwrap();
        assert_eq!(first_byte.count(), 1, "the head is all there is");

        if protocol != Protocol::InProcess {
            let upgraded = soon("the upgrade", hyper::upgrade::on(&mut response)).await;
            let mut upgraded = TokioIo::new(upgraded.unwrap());
            for word in [b"hello", b"there"] {
                upgraded.write_all(word).await.unwrap();
                let mut heard = [0; 5];
                soon("an echo", upgraded.read_exact(&mut heard))
                    .await
                    .unwrap();
                assert_eq!(&heard, word);
            }
            drop(upgraded);
        }
        // Neither its bytes nor its end are counted.
        drop((response, client));
        shop.counted(Some("/it"), Outcome::Success, 1);
        shop.close().await;
    }
}
