//! A request to another service goes on in the same trace: the middleware of the client makes a
//! CLIENT span and sends the trace along, and the layer of the server takes it up.
//!
//! Run it with `cargo run -p llasta-examples --example 02_client`. It prints:
//!
//! ```text
//! 200 OK: 12 left
//! http://127.0.0.1:…/items/7?token=REDACTED
//! GET /items/{id}     CLIENT  shop
//! └─ GET /items/{id}  SERVER  stock
//! ```

use std::error::Error;

use axum::{Router, routing::get};
use llasta_examples::{serve, soon};
use llasta_telemetry::client::{PeerService, TelemetryMiddleware, UrlTemplate};
use llasta_telemetry::testing::{Recorder, Waterfall};
use reqwest_middleware::ClientBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stock = Recorder::new("stock");
    let app = Router::new()
        .route("/items/{id}", get(async || "12 left"))
        .layer(stock.telemetry().layer());
    let url = serve(app).await?;

    let shop = Recorder::new("shop");
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(TelemetryMiddleware::recorded_by(shop.telemetry()))
        .build();
    let answer = client
        .get(format!("{url}/items/7?token=s3cret"))
        // Names of few values for the span and for the service graph.
        .with_extension(UrlTemplate("/items/{id}"))
        .with_extension(PeerService("stock"))
        .send()
        .await?;
    println!("{}: {}", answer.status(), answer.text().await?);

    let mut spans = soon(&shop, "GET /items/{id}").await;
    println!("{}", spans[0].text("url.full").unwrap_or_default());
    spans.extend(soon(&stock, "GET /items/{id}").await);
    print!("{}", Waterfall::new(&spans).without_times());
    Ok(())
}
