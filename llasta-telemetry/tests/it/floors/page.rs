//! The metrics page as a scraper gets it.

use llasta_telemetry::Sampler;
use llasta_telemetry::metrics::{Format, Registry};
use llasta_telemetry::schema::Text;
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::testing::page::Page;

mod shop {
    use super::{Text, Tier};

    llasta_telemetry::schema! {
        /// A shop.
        namespace shop;

        metrics ShopMetrics {
            /// Orders by "tier"\place.
            counter orders: "shop_orders_total" { place: Text, tier: Tier },
            /// Seconds at the till.
            histogram till: "shop_till_seconds" buckets(&[0.5, 1.0, 10.0]) unit("s"),
            /// Open tills.
            gauge tills: "shop_tills",
            /// How full it is.
            float_gauge fill: "shop_fill_ratio",
        }
    }
}

use llasta_telemetry::schema::LabelSet;
use shop::ShopMetrics;

#[derive(Debug, Clone, Copy, LabelSet)]
pub(crate) enum Tier {
    Free,
    Paid,
}

fn recorded(seen: &Recorder) -> ShopMetrics {
    let metrics = ShopMetrics::register(seen.telemetry().registry());
    metrics.orders("a \"b\"\\\n", Tier::Paid).add(2);
    metrics.till().observe(0.5);
    metrics.till().observe(0.75);
    metrics.till().observe(99.0);
    metrics.till().observe(f64::NAN);
    metrics.tills().set(3);
    metrics.tills().add(-4);
    metrics.fill().set(0.25);
    metrics
}

const TEXT: &str = r#"# HELP shop_orders_total Orders by "tier"\\place.
# TYPE shop_orders_total counter
shop_orders_total{place="a \"b\"\\\n",tier="free"} 0
shop_orders_total{place="a \"b\"\\\n",tier="paid"} 2
# HELP shop_till_seconds Seconds at the till.
# TYPE shop_till_seconds histogram
shop_till_seconds_bucket{le="0.5"} 1
shop_till_seconds_bucket{le="1.0"} 2
shop_till_seconds_bucket{le="10.0"} 2
shop_till_seconds_bucket{le="+Inf"} 3
shop_till_seconds_sum 100.25
shop_till_seconds_count 3
# HELP shop_tills Open tills.
# TYPE shop_tills gauge
shop_tills -1
# HELP shop_fill_ratio How full it is.
# TYPE shop_fill_ratio gauge
shop_fill_ratio 0.25
"#;

#[test]
fn the_text_format_is_written_to_the_letter() {
    let seen = Recorder::new("shop");
    recorded(&seen);
    assert_eq!(seen.page_text(Format::Text), TEXT);
}

#[test]
fn openmetrics_names_counters_without_their_suffix_and_has_an_end() {
    let seen = Recorder::new("shop");
    recorded(&seen);
    let open = TEXT
        .replace("# HELP shop_orders_total", "# HELP shop_orders")
        .replace("# TYPE shop_orders_total", "# TYPE shop_orders");
    assert_eq!(
        seen.page_text(Format::OpenMetrics),
        format!("{open}# EOF\n")
    );
}

#[test]
fn exemplars_of_sampled_spans_are_on_the_openmetrics_page_alone() {
    let seen = Recorder::new("shop");
    let metrics = ShopMetrics::register(seen.telemetry().registry());
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.in_scope(|| {
        metrics.orders("here", Tier::Free).inc();
        metrics.till().observe(0.75);
    });
    let ids = format!(
        " # {{trace_id=\"{}\",span_id=\"{}\"}} ",
        span.trace_id(),
        span.span_id()
    );
    let open = seen.page_text(Format::OpenMetrics);
    assert!(
        open.contains(&format!("tier=\"free\"}} 1{ids}1 ")),
        "{open}"
    );
    assert!(
        open.contains(&format!("le=\"1.0\"}} 1{ids}0.75 ")),
        "{open}"
    );
    assert_eq!(
        open.matches(" # {").count(),
        2,
        "only the bucket that was hit: {open}"
    );
    assert!(
        !seen.page_text(Format::Text).contains(" # "),
        "the text format has none"
    );
}

#[test]
fn what_is_not_sampled_is_counted_but_leaves_no_exemplar() {
    let seen = Recorder::builder("shop")
        .sampler(Sampler::AlwaysOff)
        .build();
    let metrics = ShopMetrics::register(seen.telemetry().registry());
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    span.in_scope(|| metrics.till().observe(0.75));
    assert_eq!(metrics.till().count(), 1);
    assert!(!seen.page_text(Format::OpenMetrics).contains(" # {"));
}

#[test]
fn texts_from_the_outside_cannot_make_series_without_end() {
    let seen = Recorder::new("shop");
    let metrics = ShopMetrics::register(seen.telemetry().registry());
    for place in 0..1_000 {
        metrics.orders(&place.to_string(), Tier::Free).inc();
    }
    let page = seen.page();
    let series = page.select("shop_orders_total{tier=\"free\"}");
    assert_eq!(series.len(), 201);
    assert_eq!(
        page.value("shop_orders_total{place=\"other\"}"),
        Some(800.0)
    );
    assert_eq!(page.value("shop_orders_total"), Some(1_000.0));
}

#[test]
fn gauges_that_are_read_are_fresh_on_every_page() {
    let registry = Registry::new();
    let metrics = ShopMetrics::register(&registry);
    let mut next = 0;
    let calls = std::sync::Mutex::new(move || {
        next += 1;
        metrics.tills().set(next);
    });
    registry.before_page(move || (calls.lock().unwrap())());
    registry.render(Format::Text);
    assert!(registry.render(Format::Text).contains("shop_tills 2\n"));
}

#[test]
fn metrics_of_the_prometheus_crate_stand_on_the_same_page() {
    use llasta_telemetry::prometheus::{
        Histogram, HistogramOpts, IntCounterVec, Opts, Registry as Foreign,
    };
    let foreign = Foreign::new();
    let counter = IntCounterVec::new(Opts::new("lib_calls_total", "Calls."), &["kind"]).unwrap();
    let options = HistogramOpts::new("lib_seconds", "Seconds.").buckets(vec![1.0]);
    let histogram = Histogram::with_opts(options).unwrap();
    foreign.register(Box::new(counter.clone())).unwrap();
    foreign.register(Box::new(histogram.clone())).unwrap();
    counter.with_label_values(&["a\"b"]).inc_by(3);
    histogram.observe(0.5);
    let registry = Registry::new();
    registry.join(foreign);
    for format in [Format::Text, Format::OpenMetrics] {
        let page = Page::parse(&registry.render(format)).unwrap();
        assert_eq!(page.value("lib_calls_total{kind=\"a\\\"b\"}"), Some(3.0));
        assert_eq!(page.family("lib_calls_total").unwrap().kind, "counter");
        assert_eq!(page.value("lib_seconds_bucket{le=\"1.0\"}"), Some(1.0));
        assert_eq!(page.value("lib_seconds_bucket{le=\"+Inf\"}"), Some(1.0));
        assert_eq!(page.value("lib_seconds_count"), Some(1.0));
        assert_eq!(page.family("lib_seconds").unwrap().samples.len(), 4);
    }
}

#[test]
#[should_panic(expected = "two metrics are named `shop_tills`")]
fn two_metrics_of_one_name_show_at_the_start() {
    mod other {
        llasta_telemetry::schema! {
            /// Another shop.
            namespace other;
            metrics OtherMetrics {
                /// Tills.
                counter tills: "shop_tills_total",
                /// Tills.
                float_gauge again: "shop_tills",
            }
        }
    }
    let registry = Registry::new();
    ShopMetrics::register(&registry);
    other::OtherMetrics::register(&registry);
}

#[test]
fn the_format_is_chosen_by_what_real_scrapers_accept() {
    use Format::{OpenMetrics, Text};
    for (accept, format) in [
        // Prometheus 2.42.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
        ),
        // The same with native histograms: protobuf, which we do not write, comes first.
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
        ),
        // Prometheus 3.12.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OpenMetrics,
        ),
        // Prometheus 3 with `scrape_protocols: [PrometheusText0.0.4, OpenMetricsText1.0.0]`.
        (
            "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.4",
            Text,
        ),
        (
            "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8",
            OpenMetrics,
        ),
        (
            "Application/OpenMetrics-Text;version=1.0.0;Q=0.9,text/plain;q=0.95",
            Text,
        ),
        ("application/openmetrics-text;q=0,text/plain", Text),
        ("application/openmetrics-text;q=0", Text),
        ("*/*", Text),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Text),
        ("", Text),
    ] {
        assert_eq!(Format::negotiate(Some(accept)), format, "{accept}");
    }
    assert_eq!(Format::negotiate(None), Text);
    assert!(Text.content_type().starts_with("text/plain; version=0.0.4"));
    assert!(
        OpenMetrics
            .content_type()
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
}
