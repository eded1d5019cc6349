//! A test that a service emits what its schema declares, and what it says when the service does
//! not. `main` calls it here; in a service it stands under `#[test]`.
//!
//! Run it with `cargo run -p llasta-examples --example 07_conformance_test`. It prints:
//!
//! ```text
//! it conforms
//! violation: span `shop.checkout`: `shop.items` is of type string (type_mismatch): write it as int: backends compare strictly
//! violation: span `shop.checkout`: `shop.itmes` is not declared, but its namespace is (unknown_attribute): declare it, use one of the declared names, or choose another namespace
//! violation: span `shop.checkout`: begins a trace of its own (wrong_parent): start it under a SERVER span of the same service
//! ```

use std::error::Error;

use axum::{Router, routing::get};
use llasta_examples::{serve, soon};
use llasta_telemetry::Names;
use llasta_telemetry::opentelemetry::trace::TraceContextExt;
use llasta_telemetry::opentelemetry::{Context, KeyValue};
use llasta_telemetry::schema::Kind;
use llasta_telemetry::testing::{Recorder, conform};

mod shop {
    llasta_telemetry::schema! {
        /// A shop.
        namespace shop of "shop";

        keys {
            /// What is in the basket.
            ITEMS: "shop.items" => i64 { example: "3" },
        }

        spans {
            /// The basket is paid.
            Checkout: "shop.checkout" internal under server {
                start: ITEMS;
            }
        }
    }
}

/// The service under test.
async fn checkout() -> &'static str {
    drop(shop::Checkout::start(3));
    "paid"
}

fn service(seen: &Recorder) -> Router {
    let layer = seen.telemetry().layer();
    Router::new().route("/checkout", get(checkout)).layer(layer)
}

async fn a_checkout_says_how_much_was_in_the_basket() -> Result<(), Box<dyn Error>> {
    let seen = Recorder::builder("shop").schema(&shop::NAMESPACE).build();
    let url = serve(service(&seen)).await?;
    reqwest::get(format!("{url}/checkout")).await?;
    soon(&seen, "GET /checkout").await;

    seen.expect_span("shop.checkout")
        .of_kind(Kind::Internal)
        .under("GET /checkout")
        .with("shop.items", 3)
        .once();
    seen.expect_metric("shop_requests_total{endpoint=\"/checkout\",status=\"success\"}")
        .to_be(1.0);
    // Everything that was said, against everything that is declared.
    seen.assert_conforms(seen.telemetry().schema());
    Ok(())
}

/// The same check on a service that goes around the typed spans.
fn a_wrong_service_is_told_so() {
    let seen = Recorder::builder("shop").schema(&shop::NAMESPACE).build();
    shop::Checkout::start_in(seen.telemetry(), 3).in_scope(|| {
        let context = Context::current();
        context
            .span()
            .set_attribute(KeyValue::new("shop.items", "three"));
        context.span().set_attribute(KeyValue::new("shop.itmes", 3));
    });
    let schema = seen.telemetry().schema();
    for finding in conform::check(schema, &seen.evidence(), Names::Both) {
        println!("{finding}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    a_checkout_says_how_much_was_in_the_basket().await?;
    println!("it conforms");
    a_wrong_service_is_told_so();
    Ok(())
}
