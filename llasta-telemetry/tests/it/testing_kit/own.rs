//! A team's own schema, proved in the team's own test.

use axum::Router;
use axum::routing::post;
use llasta_telemetry::opentelemetry::trace::TraceContextExt;
use llasta_telemetry::opentelemetry::{Context, KeyValue};
use llasta_telemetry::schema::{Kind, LabelSet};
use llasta_telemetry::testing::{OtlpReceiver, Recorder, Waterfall};
use tower::ServiceExt;

use crate::support::PATIENCE;

/// How it is paid.
#[derive(Debug, Clone, Copy, LabelSet)]
enum Method {
    Card,
    Invoice,
}

mod billing {
    use super::Method;

    llasta_telemetry::schema! {
        /// Payments.
        namespace billing of "billing-api";

        keys {
            /// What is paid, in cents.
            AMOUNT: "billing.amount" => i64 { unit: "{cent}", example: "1990" },
            /// Whether the payment went through.
            PAID: "billing.paid" => bool { example: "true" },
        }

        spans {
            /// One payment, from the order to the receipt.
            Charge: "billing.charge" internal under server {
                start: AMOUNT;
                end: PAID;
            }
        }

        metrics BillingMetrics {
            /// Payments by the way they are paid.
            counter payments: "billing_payments_total" { method: Method },
        }
    }
}

fn billing_api(
    seen: &Recorder,
    method: Method,
    charge: impl Fn() + Clone + Send + Sync + 'static,
) -> Router {
    let metrics = billing::BillingMetrics::register(seen.telemetry().registry());
    Router::new()
        .route(
            "/pay",
            post(move || async move {
                metrics.payments(method).inc();
                charge();
            }),
        )
        .layer(seen.telemetry().layer())
}

async fn pay(app: Router) {
    let request = http::Request::post("/pay")
        .header("host", "billing-api:8080")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = app.oneshot(request).await.unwrap();
    axum::body::to_bytes(answer.into_body(), 1024)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_service_that_keeps_to_its_schema_conforms() {
    let seen = Recorder::builder("billing-api")
        .schema(&billing::NAMESPACE)
        .build();
    pay(billing_api(&seen, Method::Card, || {
        billing::Charge::start(1990).finish(true);
    }))
    .await;

    seen.assert_conforms(seen.telemetry().schema());
    seen.expect_span("billing.charge")
        .under("POST /pay")
        .of_kind(Kind::Internal)
        .with("billing.amount", 1990)
        .with("billing.paid", true)
        .once();
    seen.expect_metric("billing_payments_total{method=\"card\"}")
        .to_be(1.0);
    Waterfall::new(&seen.spans()).assert_is(
        "
        POST /pay          SERVER    billing-api
        └─ billing.charge  INTERNAL  billing-api
        ",
    );
}

#[tokio::test]
#[should_panic(expected = "violation: span `billing.charge`: `billing.amount` is of type string")]
async fn a_service_that_does_not_is_told_what_is_wrong() {
    let seen = Recorder::builder("billing-api")
        .schema(&billing::NAMESPACE)
        .build();
    let app = billing_api(&seen, Method::Invoice, || {
        let charge = billing::Charge::start(1990);
        charge.in_scope(|| {
            // Whoever reaches past the schema, through OpenTelemetry's own API.
            let span = Context::current();
            span.span()
                .set_attribute(KeyValue::new("billing.amount", "19.90"));
        });
        charge.finish(true);
    });
    pay(app).await;
    seen.assert_conforms(seen.telemetry().schema());
}

#[tokio::test]
async fn what_arrives_over_otlp_is_compared_with_the_same_schema() {
    let receiver = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let telemetry = llasta_telemetry::Telemetry::builder("billing-api")
        .version("1.0.0")
        .schema(&billing::NAMESPACE)
        .otlp_endpoint(receiver.endpoint())
        .build()
        .unwrap();
    billing::Charge::start_in(&telemetry, 1990).finish(true);
    let schema = telemetry.schema().clone();
    assert_eq!(telemetry.shutdown().await.exported, 1);
    receiver
        .wait_until(|spans| spans.len() == 1, PATIENCE)
        .await;
    let findings = llasta_telemetry::testing::conform::check(
        &schema,
        &receiver.evidence(),
        llasta_telemetry::Names::Both,
    );
    // Nobody asked for it: it begins a trace of its own.
    let ids: Vec<_> = findings.iter().map(|finding| finding.id.name()).collect();
    assert_eq!(ids, ["wrong_parent"], "{findings:?}");
}
