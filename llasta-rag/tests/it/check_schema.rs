//! `llasta check` with a schema that this binary has never heard of: a team's own, as a file.

use std::fs;

use llasta_telemetry::registry;
use llasta_telemetry::schema::{LabelSet, Schema};
use serde_json::{Value, json};

use crate::support::{Checking, post_otlp, run};

/// How it is paid.
#[allow(dead_code)] // No program is told here, only the declaration.
#[derive(Debug, Clone, Copy, LabelSet)]
enum Method {
    Card,
    Invoice,
}

llasta_telemetry::schema! {
    /// Payments.
    namespace billing of "billing-api";

    keys {
        /// What is paid, in cents.
        AMOUNT: "billing.amount" => i64 { unit: "{cent}", example: "1990" },
    }

    spans {
        /// One payment.
        Charge: "billing.charge" internal {
            start: AMOUNT;
        }
    }

    metrics BillingMetrics {
        /// Payments by the way they are paid.
        counter payments: "billing_payments_total" { method: Method },
    }
}

/// A payment as a service in another language says it.
fn payment(attributes: &Value) -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"resourceSpans": [{
        "resource": {"attributes": [
            text("service.name", "billing-api"),
            text("service.version", "1.0.0"),
            text("service.instance.id", "a"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.language", "go"),
            text("telemetry.sdk.version", "1.38.0")
        ]},
        "scopeSpans": [{"spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c",
            "spanId": "eee19b7ec3c1b174",
            "name": "billing.charge",
            "kind": 1,
            "startTimeUnixNano": "1000000000",
            "endTimeUnixNano": "2000000000",
            "attributes": attributes
        }]}]
    }]})
}

async fn findings(schemas: &[&str], attributes: &Value) -> (Vec<String>, i32) {
    let mut arguments = vec!["--otlp", "127.0.0.1:0", "--until-spans", "1"];
    arguments.extend(["--format", "json", "--schema"]);
    arguments.extend(schemas);
    let check = Checking::start(&arguments).await;
    post_otlp(&check.endpoint, "/v1/traces", &payment(attributes)).await;
    let ended = check.ended().await;
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let ids = report["findings"].as_array().unwrap().iter();
    let ids = ids.map(|finding| finding["id"].as_str().unwrap().to_owned());
    (ids.collect(), ended.status.code().unwrap())
}

#[tokio::test]
async fn a_team_s_own_schema_is_checked_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("billing.json");
    let mut schema = Schema::contract();
    schema.add(&NAMESPACE).unwrap();
    fs::write(&file, registry::json(&schema)).unwrap();
    let file = file.to_str().unwrap();

    let good = json!([{"key": "billing.amount", "value": {"intValue": "1990"}}]);
    assert_eq!(findings(&[file], &good).await, (vec![], 0));
    // The contract is in the file already: what both have is no clash.
    assert_eq!(findings(&[file, "current"], &good).await, (vec![], 0));

    let wrong = json!([
        {"key": "billing.amount", "value": {"stringValue": "19.90"}},
        {"key": "billing.currency", "value": {"stringValue": "EUR"}}
    ]);
    let (ids, status) = findings(&[file], &wrong).await;
    assert_eq!(status, 1);
    assert_eq!(ids, ["type_mismatch", "unknown_attribute"]);
    // Who does not know the schema has nothing to say about it.
    assert_eq!(findings(&["current"], &wrong).await, (vec![], 0));
}

#[tokio::test]
async fn a_schema_that_cannot_be_read_or_clashes_ends_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.json");
    let answer = run(&["check", "--schema", missing.to_str().unwrap()], &[]).await;
    let said = answer.stderr;
    assert_eq!(answer.status.code(), Some(2), "{said}");
    assert!(said.contains("neither a file that can be read"), "{said}");

    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    let answer = run(&["check", "--schema", broken.to_str().unwrap()], &[]).await;
    assert_eq!(answer.status.code(), Some(2));

    // Another team's declaration of the same name.
    let mut own = Schema::new();
    own.add(&NAMESPACE).unwrap();
    let ours = registry::json(&own);
    let theirs = ours.replace("check_schema.rs", "elsewhere.rs");
    assert_ne!(ours, theirs);
    let [first, second] = [("ours.json", ours), ("theirs.json", theirs)].map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let answer = run(&["check", "--schema", &first, &second], &[]).await;
    let said = answer.stderr;
    assert_eq!(answer.status.code(), Some(2), "{said}");
    assert!(
        said.contains("check_schema.rs") && said.contains("elsewhere.rs"),
        "{said}"
    );
}
