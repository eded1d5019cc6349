//! Two lines give an axum service its telemetry: a span, a count, a duration and a log line for
//! each request, and the page that Prometheus reads.
//!
//! Run it with `cargo run -p llasta-examples --example 01_axum_layer`. It prints:
//!
//! ```text
//! Hello, Ada!
//! GET /hello/{name}  SERVER  shop
//! shop_requests_total{endpoint="/hello/{name}",status="success"} 1
//! shop_request_duration_seconds_count{endpoint="/hello/{name}"} 1
//! shop_time_to_first_byte_seconds_count{endpoint="/hello/{name}"} 1
//! {"timestamp":"…","level":"INFO","target":"llasta_telemetry::access","service.name":"shop","trace_id":"a847e0a9000000000000000000000001","span_id":"a847e0a900000001","message":"request","method":"GET","path":"/hello/Ada","route":"/hello/{name}","status":200,"outcome":"success","duration_ms":0}
//! ```

use std::error::Error;

use axum::{Router, extract::Path, routing::get};
use llasta_examples::{serve, soon};
use llasta_telemetry::testing::{Recorder, Waterfall};

async fn hello(Path(name): Path<String>) -> String {
    format!("Hello, {name}!")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Keeps what it records, so that this program can print it. A service installs one that
    // exports: `let telemetry = Telemetry::builder("shop").install()?;`.
    let seen = Recorder::new("shop");
    let telemetry = seen.telemetry();

    let app = Router::new()
        .route("/hello/{name}", get(hello))
        .layer(telemetry.layer())
        .merge(telemetry.metrics_route());

    let url = serve(app).await?;
    let answer = reqwest::get(format!("{url}/hello/Ada")).await?;
    println!("{}", answer.text().await?);

    let spans = soon(&seen, "GET /hello/{name}").await;
    print!("{}", Waterfall::new(&spans).without_times());
    let page = reqwest::get(format!("{url}/metrics")).await?.text().await?;
    for line in page
        .lines()
        .filter(|line| line.ends_with(" 1") && !line.contains("le="))
    {
        println!("{line}");
    }
    for line in seen.log_lines() {
        println!("{line}");
    }
    Ok(())
}
