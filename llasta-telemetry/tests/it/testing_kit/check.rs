use llasta_telemetry::Names;
use llasta_telemetry::schema::{LabelSet, Schema, Text, labels::Outcome};
use llasta_telemetry::testing::AttributeValue::{self, Int};
use llasta_telemetry::testing::conform::{self, Finding, FindingId, Level};
use llasta_telemetry::testing::{
    CapturedPage, CapturedSpan, Evidence, OtlpReceiver, PageFormat, Recorder,
};
use serde_json::json;

use super::chat_trace::{chat_trace, find};
use super::receiver_http::{JSON, posted};

mod shop {
    use super::{Outcome, Text};

    llasta_telemetry::schema! {
        /// A shop.
        namespace shop of "shop-api";

        keys {
            /// What is in the basket.
            ITEMS: "shop.items" => i64 { was: "shop.basket" since "0.2.0" },
            /// Nobody reads it.
            MOOD: "shop.mood" => str { deprecated: "leave it out" },
        }

        spans {
            /// The basket is paid.
            Checkout: "shop.checkout" internal under server {
                start: ITEMS;
                optional: MOOD;
                was: "shop.pay" since "0.1.5";
            }
        }

        metrics ShopMetrics {
            /// Orders.
            counter orders: "shop_orders_total" { outcome: Outcome was "status" since "0.2.0" } was("shop_sales_total" since "0.2.0"),
            /// Weight of what is sent.
            histogram weight: "shop_parcel_kilograms" { depot: Text } buckets(&[1.0, 5.0]) unit("kg"),
            /// Guests.
            gauge guests: "shop_guests" deprecated("count orders"),
        }
    }
}

fn schema() -> Schema {
    let mut schema = Schema::contract();
    schema.add(&shop::NAMESPACE).unwrap();
    schema
}

pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    conform::check(&schema(), evidence, Names::Both)
}

pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::String(value.to_owned())
}

#[track_caller]
pub(super) fn one(findings: &[Finding], level: Level, id: FindingId, name: &str) {
    let [finding] = findings else {
        panic!("not one finding: {findings:#?}");
    };
    assert_eq!(
        (finding.level, finding.id, &*finding.name),
        (level, id, name),
        "{finding}"
    );
}

/// A request of the shop's and the checkout in it.
fn checkout(change: impl FnOnce(&mut CapturedSpan)) -> Evidence {
    let mut spans = chat_trace(Names::Both);
    let mut server = find(&mut spans, "POST /api/chat", "SERVER").clone();
    let mut checkout = find(&mut spans, "rag.build_context", "INTERNAL").clone();
    server.name = "POST /checkout".to_owned();
    server
        .attributes
        .insert("http.route".to_owned(), text("/checkout"));
    checkout.name = "shop.checkout".to_owned();
    checkout.attributes.clear();
    checkout.attributes.insert("shop.items".to_owned(), Int(3));
    change(&mut checkout);
    for span in [&mut server, &mut checkout] {
        span.service = "shop-api".to_owned();
        span.resource
            .insert("service.name".to_owned(), text("shop-api"));
    }
    Evidence::new().spans([server, checkout])
}

#[test]
fn an_old_name_is_fine_beside_the_new_one_and_worth_a_word_alone() {
    assert_eq!(check(&checkout(|_| ())), []);
    let both = checkout(|span| drop(span.attributes.insert("shop.basket".to_owned(), Int(3))));
    assert_eq!(check(&both), []);
    let alone = checkout(|span| {
        span.attributes.clear();
        span.attributes.insert("shop.basket".to_owned(), Int(3));
    });
    let findings = check(&alone);
    one(
        &findings,
        Level::Improvement,
        FindingId::DeprecatedName,
        "shop.checkout",
    );
    assert!(
        findings[0].message.contains("`shop.basket`"),
        "{}",
        findings[0]
    );
    let neither = checkout(|span| span.attributes.clear());
    one(
        &check(&neither),
        Level::Violation,
        FindingId::MissingAttribute,
        "shop.checkout",
    );
    let retyped =
        checkout(|span| drop(span.attributes.insert("shop.basket".to_owned(), text("3"))));
    one(
        &check(&retyped),
        Level::Violation,
        FindingId::TypeMismatch,
        "shop.checkout",
    );
    let span = checkout(|span| span.name = "shop.pay".to_owned());
    one(
        &check(&span),
        Level::Improvement,
        FindingId::DeprecatedName,
        "shop.pay",
    );
}

#[test]
fn what_is_deprecated_is_information() {
    let mood = checkout(|span| drop(span.attributes.insert("shop.mood".to_owned(), text("good"))));
    let findings = check(&mood);
    one(
        &findings,
        Level::Information,
        FindingId::DeprecatedName,
        "shop.checkout",
    );
    assert_eq!(findings[0].advice, "leave it out");
    conform::assert_conforms(&schema(), &mood);
}

/// A page of the shop's, as far as it is about the shop.
fn page(text: &str) -> CapturedPage {
    CapturedPage::read("/metrics", text).of_service("shop-api")
}

/// What is found of the shop's own metrics.
fn of_shop(page: CapturedPage) -> Vec<Finding> {
    let mut findings = check(&Evidence::new().page(page));
    findings.retain(|finding| finding.name.starts_with("shop_"));
    findings
}

fn orders(name: &str, label: &str) -> String {
    let lines: Vec<_> = Outcome::VALUES
        .iter()
        .map(|value| format!("{name}{{{label}=\"{value}\"}} 0\n"))
        .collect();
    format!("# TYPE {name} counter\n{}", lines.concat())
}

const PARCELS: &str = "# TYPE shop_parcel_kilograms histogram\n";

#[test]
fn an_old_metric_or_label_is_fine_beside_the_new_one_and_worth_a_word_alone() {
    let new = orders("shop_orders_total", "outcome");
    assert_eq!(of_shop(page(&format!("{new}{PARCELS}"))), []);
    let old = orders("shop_sales_total", "outcome");
    assert_eq!(of_shop(page(&format!("{new}{old}{PARCELS}"))), []);
    let alone = of_shop(page(&format!("{old}{PARCELS}")));
    one(
        &alone,
        Level::Improvement,
        FindingId::DeprecatedName,
        "shop_orders_total",
    );

    let both = new.replace(
        "outcome=\"success\"",
        "outcome=\"success\",status=\"success\"",
    );
    assert_eq!(of_shop(page(&format!("{both}{PARCELS}"))), []);
    let alone = of_shop(page(&format!(
        "{}{PARCELS}",
        orders("shop_orders_total", "status")
    )));
    assert!(
        alone
            .iter()
            .any(|finding| finding.id == FindingId::DeprecatedName),
        "{alone:?}"
    );
    let guests = format!("{new}{PARCELS}# TYPE shop_guests gauge\nshop_guests 1\n");
    one(
        &of_shop(page(&guests)),
        Level::Information,
        FindingId::DeprecatedName,
        "shop_guests",
    );
}

#[test]
fn the_unit_over_otlp_is_the_declared_one() {
    let otlp = |unit: &str| {
        let text = format!(
            "{}{PARCELS}# UNIT shop_parcel_kilograms {unit}\n",
            orders("shop_orders_total", "outcome")
        );
        let mut page = page(&text);
        page.format = PageFormat::Otlp;
        of_shop(page)
    };
    assert_eq!(otlp("kg"), []);
    one(
        &otlp("g"),
        Level::Violation,
        FindingId::UnitMismatch,
        "shop_parcel_kilograms",
    );
    one(
        &otlp(""),
        Level::Improvement,
        FindingId::UnitMismatch,
        "shop_parcel_kilograms",
    );
}

#[test]
fn exemplars_are_only_asked_for_where_something_was_recorded() {
    let series = |count: u32, exemplar: &str| {
        format!(
            "# TYPE chatbot_requests counter\n\
             chatbot_requests_total{{endpoint=\"/api/chat\",status=\"success\"}} {count}{exemplar}\n\
             # TYPE chatbot_rag_chunks_sent histogram\nchatbot_rag_chunks_sent_count {count}\n# EOF\n"
        )
    };
    let found = |text: &str, spans: Vec<CapturedSpan>| -> Vec<String> {
        let page = CapturedPage::read("/metrics", text).of_service("chatbot-rag");
        check(&Evidence::new().page(page).spans(spans))
            .into_iter()
            .filter(|finding| finding.id == FindingId::MissingExemplar)
            .map(|finding| finding.name)
            .collect()
    };
    let (requests, chunks) = ("chatbot_requests_total", "chatbot_rag_chunks_sent");
    let exemplar =
        " # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"00f067aa0ba902b7\"} 1";
    let recorded = || chat_trace(Names::Both);
    // The one request was recorded, so it stands behind both.
    assert_eq!(found(&series(1, ""), recorded()), [requests, chunks]);
    assert_eq!(found(&series(1, exemplar), recorded()), [chunks]);
    // Of ten, one was recorded: its chunks may have been counted before the page's exemplars.
    assert_eq!(found(&series(10, ""), recorded()), [requests]);
    // None was recorded, or none happened, or the format has no exemplars.
    let nothing: [&str; 0] = [];
    assert_eq!(found(&series(1, ""), Vec::new()), nothing);
    assert_eq!(found(&series(0, ""), recorded()), nothing);
    assert_eq!(
        found(&series(1, "").replace("# EOF\n", ""), recorded()),
        nothing
    );
    let malformed = exemplar.replace("0af765", "0AF765");
    assert_eq!(found(&series(1, &malformed), Vec::new()), [requests]);
}

#[tokio::test]
async fn log_records_over_otlp_have_attributes_of_their_types() {
    let receiver = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let record = |key: &str, value: &serde_json::Value| {
        json!({"resourceLogs": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop-api"}}]},
            "scopeLogs": [{"logRecords": [{
                "severityText": "INFO",
                "body": {"stringValue": "paid"},
                "traceId": "0af7651916cd43dd8448eb211c80319c",
                "spanId": "00f067aa0ba902b7",
                "attributes": [{"key": key, "value": value}]
            }]}]
        }]})
    };
    let send = |body: serde_json::Value| {
        let receiver = &receiver;
        async move {
            posted(receiver, "/v1/logs", JSON, body.to_string()).await;
            check(&receiver.take_evidence())
        }
    };
    let good = record("shop.items", &json!({"intValue": "3"}));
    assert_eq!(send(good.clone()).await, []);
    let retyped = record("shop.items", &json!({"stringValue": "3"}));
    one(
        &send(retyped).await,
        Level::Violation,
        FindingId::TypeMismatch,
        "shop-api",
    );
    let unknown = record("shop.item", &json!({"intValue": "3"}));
    one(
        &send(unknown).await,
        Level::Violation,
        FindingId::UnknownAttribute,
        "shop-api",
    );
    assert_eq!(send(record("tenant", &json!({"intValue": "3"}))).await, []);
    let changed = |field: &str, value: serde_json::Value| {
        let mut body = good.clone();
        body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0][field] = value;
        body
    };
    let none = changed("spanId", json!(""));
    one(
        &send(none).await,
        Level::Violation,
        FindingId::MissingLogField,
        "span_id",
    );
    let mute = changed("severityText", json!(""));
    one(
        &send(mute).await,
        Level::Violation,
        FindingId::MissingLogField,
        "level",
    );
    let mut nobody = good.clone();
    nobody["resourceLogs"][0]["resource"] = json!({});
    one(
        &send(nobody).await,
        Level::Violation,
        FindingId::MissingLogField,
        "service.name",
    );
}

#[test]
fn a_name_that_holds_an_id_and_work_in_the_background_can_be_better() {
    let named = checkout(|span| span.name = "order 4711".to_owned());
    let findings = check(&named);
    assert!(
        findings
            .iter()
            .any(|finding| finding.id == FindingId::HighCardinality
                && finding.level == Level::Improvement),
        "{findings:?}"
    );
    let late = checkout(|span| span.end_unix_nano += 10_000_000_000);
    one(
        &check(&late),
        Level::Improvement,
        FindingId::WrongTime,
        "shop.checkout",
    );
    let early = checkout(|span| span.start_unix_nano -= 10_000_000_000);
    one(
        &check(&early),
        Level::Violation,
        FindingId::WrongTime,
        "shop.checkout",
    );
}

#[test]
fn lines_of_requests_alone_do_not_begin_with_the_start() {
    let seen = Recorder::new("shop-api");
    let line = |message: &str, ids: bool| {
        let mut line = json!({
            "timestamp": "2026-11-23T02:11:19.000123Z", "level": "INFO", "target": "shop",
            "message": message, "service.name": "shop-api"
        });
        if ids {
            line["trace_id"] = json!("0af7651916cd43dd8448eb211c80319c");
            line["span_id"] = json!("00f067aa0ba902b7");
        }
        line.to_string()
    };
    assert_eq!(seen.log_lines(), [""; 0]);
    assert_eq!(check(&Evidence::new().lines([line("paid", true)])), []);
    let findings = check(&Evidence::new().lines([line("ready", false)]));
    one(
        &findings,
        Level::Violation,
        FindingId::MissingLogLine,
        "shop-api",
    );
    let start = line("OTLP endpoint: none, spans are not exported", false);
    assert_eq!(
        check(&Evidence::new().lines([start, line("ready", false)])),
        []
    );
}

#[test]
#[should_panic(
    expected = "2 findings:\nviolation: span `shop.checkout`: `shop.itms` is not declared, but its namespace is"
)]
fn a_test_that_fails_shows_each_finding() {
    let evidence = checkout(|span| {
        span.attributes.clear();
        span.attributes.insert("shop.itms".to_owned(), Int(3));
    });
    conform::assert_conforms(&schema(), &evidence);
}
