//! Requests that end because somebody's patience ended.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use http_body_util::BodyExt;
use llasta_telemetry::http::Failure;
use llasta_telemetry::schema::labels::Outcome;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, ServiceBuilder};

use super::super::support::{Client, Protocol, Shop, body_text, soon, stream_of};
use super::{data, goods, once};

/// Short enough to wait for, and long enough for a handler to begin.
const PATIENCE: Duration = Duration::from_millis(5);

async fn gateway_timeout(_: BoxError) -> StatusCode {
    StatusCode::GATEWAY_TIMEOUT
}

#[tokio::test]
async fn a_time_out_that_is_answered_inside_is_the_status_it_answers() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(std::future::pending).layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(gateway_timeout))
                .layer(TimeoutLayer::new(PATIENCE)),
        );
        let mut client = shop.client(protocol, app).await;
        let response = client.get("/it").await.unwrap();
        assert_eq!(response.status(), 504);

        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("504"));
        assert_eq!(settled.status(), Some(504));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_time_out_that_is_answered_inside_can_say_that_it_is_one() {
    let answer = |_: BoxError| async {
        let why = axum::Extension(Failure::of("timeout"));
        (StatusCode::REQUEST_TIMEOUT, why)
    };
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(std::future::pending).layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(answer))
                .layer(TimeoutLayer::new(PATIENCE)),
        );
        let mut client = shop.client(protocol, app).await;
        assert_eq!(client.get("/it").await.unwrap().status(), 408);

        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("timeout"));
        assert_eq!(settled.status(), Some(408));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_time_out_inside_that_comes_out_as_an_error_is_a_timeout() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = goods(std::future::pending).layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(gateway_timeout))
                .layer(shop.telemetry.layer())
                .layer(TimeoutLayer::new(PATIENCE)),
        );
        let mut client = Client::connect(protocol, app).await;
        let response = client.get("/it").await.unwrap();
        assert_eq!(response.status(), 504);

        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("timeout"));
        assert_eq!(settled.status(), None, "the layer saw no answer");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_body_that_waited_too_long_is_a_timeout() {
    for protocol in Protocol::ALL {
        let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>())
            .await
            .unwrap_err();
        let errors: [BoxError; 4] = [
            io::Error::from(io::ErrorKind::TimedOut).into(),
            io::Error::other(io::Error::from(io::ErrorKind::TimedOut)).into(),
            elapsed.into(),
            tower::timeout::error::Elapsed::new().into(),
        ];
        for error in errors {
            let mut shop = Shop::open();
            let (send, body) = stream_of();
            let mut client = shop.client(protocol, once(body)).await;
            send.send(data("half")).unwrap();
            let mut body = client.get("/it").await.unwrap().into_body();
            soon("a frame", body.frame()).await.unwrap().unwrap();
            send.send(Err(error)).unwrap();
            assert!(body_text(body).await.is_err());

            let settled = shop.settled(Some("/it"), Outcome::Error).await;
            assert_eq!(settled.error().as_deref(), Some("timeout"));
            assert_eq!(settled.status(), Some(200));
            shop.close().await;
        }
    }
}

/// A router with a time-out layer outside of the telemetry layer, which knows of it.
fn timed_from_outside(shop: &Shop, app: Router, patience: Duration, known: Duration) -> Router {
    app.layer(
        ServiceBuilder::new()
            .layer(HandleErrorLayer::new(gateway_timeout))
            .layer(TimeoutLayer::new(patience))
            .layer(shop.telemetry.layer().outer_timeout(known)),
    )
}

#[tokio::test]
async fn a_time_out_outside_is_a_timeout_where_it_is_known() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = timed_from_outside(&shop, goods(std::future::pending), PATIENCE, PATIENCE);
        let mut client = Client::connect(protocol, app).await;
        let response = client.get("/it").await.unwrap();
        assert_eq!(response.status(), 504);

        let settled = shop.settled(Some("/it"), Outcome::Error).await;
        assert_eq!(settled.error().as_deref(), Some("timeout"));
        assert_eq!(settled.status(), None);
        assert_eq!(settled.line["level"], "ERROR");
        assert!(settled.span.seconds() >= PATIENCE.as_secs_f64());
        shop.close().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_time_out_outside_is_cancelled() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let long = Duration::from_secs(600);
        let (send, body) = stream_of();
        let app = timed_from_outside(&shop, once(body), long, long);
        let mut client = Client::connect(protocol, app).await;
        send.send(data("half")).unwrap();
        let body = client.get("/it").await.unwrap().into_body();
        drop((client, body));

        let settled = shop.settled(Some("/it"), Outcome::Cancelled).await;
        assert_eq!(settled.error().as_deref(), Some("client_disconnect"));
        shop.close().await;
        drop(send);
    }
}

#[tokio::test]
async fn an_answer_in_time_is_a_success_under_any_time_out() {
    for protocol in Protocol::ALL {
        let mut shop = Shop::open();
        let app = Router::new().route("/it", any(|| async { answer() }));
        // What is answered after the time that the layer was told is no time-out: nobody dropped it.
        let app = timed_from_outside(&shop, app, Duration::from_secs(600), Duration::ZERO);
        let mut client = Client::connect(protocol, app).await;
        let response = client.get("/it").await.unwrap();
        body_text(response.into_body()).await.unwrap();

        let settled = shop.settled(Some("/it"), Outcome::Success).await;
        assert_eq!(settled.error(), None);
        shop.close().await;
    }
}

fn answer() -> Response {
    "in time".into_response()
}
