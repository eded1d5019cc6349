//! What was renamed is said under both names, and once where nothing was.

use llasta_telemetry::line::LineSink;
use llasta_telemetry::log::LineLayer;
use llasta_telemetry::metrics::{Exemplar, Format, Registry};
use llasta_telemetry::opentelemetry::trace::{SpanId, TraceId};
use llasta_telemetry::opentelemetry_sdk::error::OTelSdkResult;
use llasta_telemetry::opentelemetry_sdk::trace::{SpanData, SpanExporter};
use llasta_telemetry::schema::labels::Outcome;
use llasta_telemetry::schema::{Schema, TwinDef, TwinForm};
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::testing::page::Page;
use llasta_telemetry::{Names, Telemetry};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Collector, Lines, PATIENCE, Spans, alone, eager};

/// No spans are exported.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// Names that others define, one of which they changed.
mod theirs {
    llasta_telemetry::schema! {
        /// Another's names.
        foreign namespace commerce;
        keys {
            /// What was bought.
            GOODS: "commerce.goods" => i64 { was: "commerce.items" since "0.2.0" },
            /// What is done.
            OPERATION: "commerce.operation" => str { was: "commerce.op" since "0.2.0" },
        }
    }
}

const GOODS: &TwinDef = &TwinDef {
    key: theirs::GOODS.def(),
    form: TwinForm::Same,
};

mod shop {
    use super::{GOODS, theirs};
    use llasta_telemetry::schema::{Text, labels::Outcome};

    llasta_telemetry::schema! {
        /// A shop.
        namespace shop of "shop-api";

        keys {
            /// What is in the basket.
            ITEMS: "shop.items" => i64 { was: "shop.basket" since "0.2.0", twin: GOODS },
            /// What the customer wrote.
            NOTE: "shop.note" => str { content, was: "shop.remark" since "0.2.0" },
            /// Whether it was paid.
            PAID: "shop.paid" => bool { was: "shop.settled" since "0.2.0" },
            /// The currency.
            CURRENCY: "shop.currency" => str,
        }

        spans {
            /// The basket is paid.
            Checkout: "shop.checkout" internal {
                start: ITEMS, CURRENCY;
                end: PAID;
                optional: NOTE;
                twin: theirs::OPERATION = "checkout";
                was: "shop.pay" since "0.2.0";
            }
        }

        metrics ShopMetrics {
            /// Orders by how they ended.
            counter orders: "shop_orders_total" { outcome: Outcome was "status" since "0.2.0" } was("shop_sales" since "0.2.0"),
            /// Seconds of one order.
            histogram duration: "shop_order_seconds" buckets(&[1.0]) unit("s") was("shop_sale_seconds" since "0.3.0"),
            /// Guests by house.
            gauge guests: "shop_guests" { house: Text } was("shop_visitors" since "0.2.0"),
            /// Refunds.
            counter refunds: "shop_refunds_total" was("shop_returns_total" since "0.2.0"),
        }
    }
}

fn checkout(names: Names) -> Vec<String> {
    let seen = Recorder::builder("shop-api").names(names).build();
    let span = shop::Checkout::start_in(seen.telemetry(), 3, "EUR");
    span.note(&*"ä".repeat(200));
    drop(span);
    let span = seen.spans().remove(0);
    assert_eq!(span.name, "shop.checkout", "spans are not emitted twice");
    for (new, old) in [
        ("shop.items", "shop.basket"),
        ("shop.note", "shop.remark"),
        ("shop.paid", "shop.settled"),
        ("commerce.goods", "commerce.items"),
        ("commerce.operation", "commerce.op"),
    ] {
        assert_eq!(span.attributes.get(new), span.attributes.get(old), "{new}");
    }
    assert_eq!(span.text("shop.note"), Some("ä".repeat(100).as_str()));
    assert_eq!(span.bool("shop.paid"), Some(false));
    span.attributes.keys().cloned().collect()
}

#[test]
fn an_attribute_of_a_typed_span_has_its_old_name_too() {
    let own = ["shop.basket", "shop.items"];
    let others = [
        "commerce.goods",
        "commerce.items",
        "commerce.op",
        "commerce.operation",
    ];
    let rest = [
        "shop.currency",
        "shop.note",
        "shop.paid",
        "shop.remark",
        "shop.settled",
    ];
    fn sorted(groups: &[&[&'static str]]) -> Vec<&'static str> {
        let mut all = groups.concat();
        all.sort_unstable();
        all
    }
    assert_eq!(checkout(Names::Llasta), sorted(&[&own, &rest]));
    assert_eq!(checkout(Names::Otel), sorted(&[&others, &rest]));
    assert_eq!(checkout(Names::Both), sorted(&[&own, &others, &rest]));
}

#[test]
fn a_span_of_tracing_has_both_names_whichever_it_was_given() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (sink, _lines) = Lines::new();
        let guard = Telemetry::builder("shop-api")
            .otlp_endpoint(collector.endpoint())
            .queue(eager())
            .schema(&shop::NAMESPACE)
            .log_lines(sink)
            .install()
            .unwrap();
        let long = "ä".repeat(200);
        drop(tracing::info_span!("new", shop.paid = true, shop.note = %long));
        drop(tracing::info_span!("old", shop.settled = true, shop.remark = %long));
        drop(tracing::info_span!(
            "each",
            shop.paid = true,
            shop.settled = false
        ));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        assert!(runtime.block_on(guard.flush(PATIENCE)).is_complete());
        let spans = collector.arrived();
        for name in ["new", "old"] {
            let span = spans.named(name);
            for key in ["shop.paid", "shop.settled"] {
                assert_eq!(span.get(key), true, "{name} {key}");
            }
            for key in ["shop.note", "shop.remark"] {
                assert_eq!(span.get(key), "ä".repeat(100), "{name} {key}");
            }
        }
        let each = spans.named("each");
        assert_eq!(each.get("shop.paid"), true);
        assert_eq!(each.get("shop.settled"), false, "what was said stays");
        assert_eq!(
            each.proto
                .attributes
                .iter()
                .filter(|one| one.key == "shop.paid")
                .count(),
            1
        );
    });
}

#[test]
fn a_log_field_has_both_names_and_its_content_goes_through_the_policy_under_either() {
    let (sink, mut lines): (LineSink, Lines) = Lines::new();
    let telemetry = Telemetry::builder("shop-api")
        .schema(&shop::NAMESPACE)
        .log_lines(sink)
        .span_exporter(Nowhere)
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(LineLayer::new(telemetry.clone()));
    tracing::subscriber::with_default(subscriber, || {
        let long = "ä".repeat(200);
        tracing::info!(shop.items = 3, shop.remark = %long, shop.currency = "EUR", "said");
        tracing::info!(shop.items = 3, shop.basket = 4, "said");
    });
    let said = lines.all();
    assert_eq!(said[0]["shop.items"], 3);
    assert_eq!(said[0]["shop.basket"], 3);
    assert_eq!(said[0]["shop.remark"], "ä".repeat(100));
    assert_eq!(said[0]["shop.note"], "ä".repeat(100));
    assert_eq!(said[1]["shop.items"], 3);
    assert_eq!(
        said[1]["shop.basket"], 4,
        "what the event says itself stays"
    );
}

/// One of each, recorded in a span.
fn page(format: Format) -> String {
    let registry = Registry::new();
    let metrics = shop::ShopMetrics::register(&registry);
    let exemplar = Some(Exemplar {
        trace_id: TraceId::from(1),
        span_id: SpanId::from(2),
    });
    metrics.orders(Outcome::Success).add_with(3, exemplar);
    metrics.duration().observe_with(0.5, exemplar);
    metrics.guests("north").set(7);
    metrics.refunds().add_with(1, exemplar);
    let page = registry.render(format);
    // The time of an exemplar is the clock's.
    page.lines()
        .map(|line| match line.split_once(" # {") {
            Some((line, _)) => format!("{line} # …\n"),
            None => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn a_metric_stands_on_the_page_twice_and_a_label_has_both_names() {
    assert_eq!(
        page(Format::Text),
        "\
# HELP shop_orders_total Orders by how they ended.
# TYPE shop_orders_total counter
shop_orders_total{outcome=\"success\",status=\"success\"} 3
shop_orders_total{outcome=\"error\",status=\"error\"} 0
shop_orders_total{outcome=\"cancelled\",status=\"cancelled\"} 0
# HELP shop_sales Deprecated since 0.2.0: use shop_orders_total. Orders by how they ended.
# TYPE shop_sales counter
shop_sales{outcome=\"success\",status=\"success\"} 3
shop_sales{outcome=\"error\",status=\"error\"} 0
shop_sales{outcome=\"cancelled\",status=\"cancelled\"} 0
# HELP shop_order_seconds Seconds of one order.
# TYPE shop_order_seconds histogram
shop_order_seconds_bucket{le=\"1.0\"} 1
shop_order_seconds_bucket{le=\"+Inf\"} 1
shop_order_seconds_sum 0.5
shop_order_seconds_count 1
# HELP shop_sale_seconds Deprecated since 0.3.0: use shop_order_seconds. Seconds of one order.
# TYPE shop_sale_seconds histogram
shop_sale_seconds_bucket{le=\"1.0\"} 1
shop_sale_seconds_bucket{le=\"+Inf\"} 1
shop_sale_seconds_sum 0.5
shop_sale_seconds_count 1
# HELP shop_guests Guests by house.
# TYPE shop_guests gauge
shop_guests{house=\"north\"} 7
# HELP shop_visitors Deprecated since 0.2.0: use shop_guests. Guests by house.
# TYPE shop_visitors gauge
shop_visitors{house=\"north\"} 7
# HELP shop_refunds_total Refunds.
# TYPE shop_refunds_total counter
shop_refunds_total 1
# HELP shop_returns_total Deprecated since 0.2.0: use shop_refunds_total. Refunds.
# TYPE shop_returns_total counter
shop_returns_total 1
"
    );
}

#[test]
fn openmetrics_calls_the_old_name_what_it_may_be_called() {
    let page = page(Format::OpenMetrics);
    let whole = page.replace(" # …", "");
    assert_eq!(Page::parse(&whole).unwrap().families.len(), 8);
    for lines in [
        // A counter without `_total` is none to OpenMetrics, and has no exemplars.
        "# TYPE shop_orders counter\n# HELP shop_orders Orders by how they ended.\nshop_orders_total{outcome=\"success\",status=\"success\"} 3 # …\n",
        "# TYPE shop_sales unknown\n# HELP shop_sales Deprecated since 0.2.0: use shop_orders_total. Orders by how they ended.\nshop_sales{outcome=\"success\",status=\"success\"} 3\n",
        "# TYPE shop_sale_seconds histogram\n# UNIT shop_sale_seconds seconds\n# HELP shop_sale_seconds Deprecated since 0.3.0: use shop_order_seconds. Seconds of one order.\nshop_sale_seconds_bucket{le=\"1.0\"} 1 # …\n",
        "# TYPE shop_returns counter\n# HELP shop_returns Deprecated since 0.2.0: use shop_refunds_total. Refunds.\nshop_returns_total 1 # …\n",
    ] {
        assert!(page.contains(lines), "{lines}\nis not in\n{page}");
    }
}

mod old_name_taken {
    llasta_telemetry::schema! {
        /// Something else that has an old name of the shop's.
        namespace market;
        keys {
            /// Not the shop's.
            ID: "market.id" => i64 { was: "shop.items" since "0.2.0" },
        }
        metrics MarketMetrics {
            /// Not the shop's.
            gauge visitors: "shop_visitors",
        }
    }
}

#[test]
#[should_panic(expected = "`shop_guests` and `shop_visitors` share the name `shop_visitors`")]
fn an_old_name_on_the_page_is_taken() {
    let registry = Registry::new();
    shop::ShopMetrics::register(&registry);
    old_name_taken::MarketMetrics::register(&registry);
}

#[test]
fn an_old_name_in_a_schema_is_taken() {
    let mut schema = Schema::new();
    schema.add(&shop::NAMESPACE).unwrap();
    let clash = schema.add(&old_name_taken::NAMESPACE).unwrap_err();
    assert_eq!((clash.what, clash.name), ("metric", "shop_visitors"));
    let mut schema = Schema::new();
    schema.add(&old_name_taken::NAMESPACE).unwrap();
    let clash = schema.add(&shop::NAMESPACE).unwrap_err();
    assert_eq!((clash.what, clash.name), ("key", "shop.items"));
    assert!(
        schema.renamed_key("shop.basket").is_none(),
        "nothing of it was added"
    );
}
