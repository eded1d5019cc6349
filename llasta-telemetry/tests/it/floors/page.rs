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
fn openmetrics_is_written_to_the_letter() {
    let seen = Recorder::new("shop");
    recorded(&seen);
    // Metadata in the order that OpenMetrics recommends, a unit where the name ends in it, and
    // quotation marks escaped; the samples are the same.
    let open = TEXT
        .replace(
            "# HELP shop_orders_total Orders by \"tier\"\\\\place.\n# TYPE shop_orders_total counter\n",
            "# TYPE shop_orders counter\n# HELP shop_orders Orders by \\\"tier\\\"\\\\place.\n",
        )
        .replace(
            "# HELP shop_till_seconds Seconds at the till.\n# TYPE shop_till_seconds histogram\n",
            "# TYPE shop_till_seconds histogram\n# UNIT shop_till_seconds seconds\n# HELP shop_till_seconds Seconds at the till.\n",
        )
        .replace(
            "# HELP shop_tills Open tills.\n# TYPE shop_tills gauge\n",
            "# TYPE shop_tills gauge\n# HELP shop_tills Open tills.\n",
        )
        .replace(
            "# HELP shop_fill_ratio How full it is.\n# TYPE shop_fill_ratio gauge\n",
            "# TYPE shop_fill_ratio gauge\n# HELP shop_fill_ratio How full it is.\n",
        );
    for format in [Format::OpenMetrics, Format::OpenMetricsDraft] {
        assert_eq!(seen.page_text(format), format!("{open}# EOF\n"));
    }
    let page = seen.page();
    let help = &page.family("shop_orders_total").unwrap().help;
    assert_eq!(help, "Orders by \"tier\"\\place.");
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
                float_gauge again: "shop_tills",
            }
        }
    }
    let registry = Registry::new();
    ShopMetrics::register(&registry);
    other::OtherMetrics::register(&registry);
}

#[test]
fn names_that_openmetrics_cannot_tell_apart_show_at_the_start() {
    mod other {
        llasta_telemetry::schema! {
            /// Another shop.
            namespace other;
            metrics Counted {
                /// The family of this counter is named as the gauge is.
                counter tills: "shop_tills_total",
            }
            metrics Summed {
                /// A line of the histogram is named so too.
                gauge sum: "shop_till_seconds_sum",
            }
            metrics Apart {
                /// It begins as the others do.
                counter fine: "shop_till_total",
            }
        }
    }
    let refused = |register: fn(&Registry)| {
        let registry = Registry::new();
        ShopMetrics::register(&registry);
        std::panic::catch_unwind(move || register(&registry))
            .err()
            .map(|panic| *panic.downcast::<String>().unwrap())
    };
    assert_eq!(
        refused(|registry| drop(other::Counted::register(registry))).unwrap(),
        "`shop_tills` and `shop_tills_total` share the name `shop_tills`: rename one of them"
    );
    assert_eq!(
        refused(|registry| drop(other::Summed::register(registry))).unwrap(),
        "`shop_till_seconds` and `shop_till_seconds_sum` share the name `shop_till_seconds_sum`: rename one of them"
    );
    assert_eq!(
        refused(|registry| drop(other::Apart::register(registry))),
        None
    );
}

#[test]
fn a_metric_of_the_prometheus_crate_whose_name_is_taken_is_left_out() {
    use llasta_telemetry::prometheus::{IntCounter, IntGauge, Registry as Foreign};
    let foreign = || {
        let foreign = Foreign::new();
        let tills = IntGauge::new("shop_tills", "Not ours.").unwrap();
        let bare = IntCounter::new("lib_calls", "A \"counter\" without its suffix.").unwrap();
        bare.inc();
        foreign.register(Box::new(tills)).unwrap();
        foreign.register(Box::new(bare)).unwrap();
        foreign
    };
    let registry = Registry::new();
    ShopMetrics::register(&registry).tills().set(7);
    registry.join(foreign());
    registry.join(foreign());
    let text = registry.render(Format::Text);
    assert!(text.contains("\nshop_tills 7\n"), "{text}");
    assert_eq!(text.matches("# TYPE shop_tills ").count(), 1, "{text}");
    let tail = "# HELP lib_calls A \"counter\" without its suffix.\n# TYPE lib_calls counter\nlib_calls 1\n";
    assert!(text.ends_with(tail), "{text}");
    // A counter without its suffix is none to OpenMetrics.
    let open = registry.render(Format::OpenMetrics);
    let tail = "# TYPE lib_calls unknown\n# HELP lib_calls A \\\"counter\\\" without its suffix.\nlib_calls 1\n# EOF\n";
    assert!(open.ends_with(tail), "{open}");
}

#[test]
fn each_combination_of_three_labels_is_a_series_of_its_own() {
    mod cube {
        use super::Tier;
        llasta_telemetry::schema! {
            /// A cube.
            namespace cube;
            metrics CubeMetrics {
                /// Its corners.
                counter corners: "cube_corners_total" { x: Tier, y: Tier, z: Tier },
            }
        }
    }
    const BOTH: [Tier; 2] = [Tier::Free, Tier::Paid];
    let registry = Registry::new();
    let metrics = cube::CubeMetrics::register(&registry);
    let mut n = 0;
    for x in BOTH {
        for y in BOTH {
            for z in BOTH {
                n += 1;
                metrics.corners(x, y, z).add(n);
            }
        }
    }
    let page = Page::parse(&registry.render(Format::Text)).unwrap();
    let values: Vec<f64> = page.samples().map(|line| line.value).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    assert_eq!(
        page.value("cube_corners_total{x=\"free\",y=\"paid\",z=\"paid\"}"),
        Some(4.0)
    );
}

#[test]
fn numbers_are_written_as_openmetrics_says() {
    mod sizes {
        llasta_telemetry::schema! {
            /// Sizes.
            namespace sizes;
            metrics SizeMetrics {
                /// Bytes.
                histogram bytes: "sizes_bytes" buckets(&[
                    -2.0, 0.0, 1e-10, 0.00001, 0.0001, 0.00025, 0.002, 1.7, 10.0, 100_000.0, 1e6, 1_234_567.0, 1e10
                ]) unit("By"),
                /// Any number.
                float_gauge any: "sizes_any",
            }
        }
    }
    let registry = Registry::new();
    let metrics = sizes::SizeMetrics::register(&registry);
    let page = registry.render(Format::OpenMetrics);
    let bounds: Vec<&str> = page
        .split("le=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(
        bounds,
        [
            "-2.0",
            "0.0",
            "1e-10",
            "1e-05",
            "0.0001",
            "0.00025",
            "0.002",
            "1.7",
            "10.0",
            "100000.0",
            "1e+06",
            "1.234567e+06",
            "1e+10",
            "+Inf"
        ]
    );
    assert!(page.contains("# UNIT sizes_bytes bytes\n"), "{page}");
    // A sum that may fall is no counter: OpenMetrics forbids it, and a count without it.
    assert!(!page.contains("sizes_bytes_sum"), "{page}");
    assert!(!page.contains("sizes_bytes_count"), "{page}");
    let text = registry.render(Format::Text);
    assert!(
        text.contains("\nsizes_bytes_sum 0\nsizes_bytes_count 0\n"),
        "{text}"
    );
    for (value, text) in [
        (5.0, "5"),
        (-0.5, "-0.5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-7, "1e-7"),
        (1e300, "1e+300"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
    ] {
        metrics.any().set(value);
        let page = registry.render(Format::Text);
        assert!(page.ends_with(&format!("\nsizes_any {text}\n")), "{page}");
    }
}

#[test]
fn an_exemplar_is_always_what_one_writer_wrote() {
    use llasta_telemetry::metrics::Exemplar;
    use llasta_telemetry::opentelemetry::trace::{SpanId, TraceId};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    const WRITERS: u64 = 4;
    const ROUNDS: usize = 300;
    let registry = Registry::new();
    let metrics = ShopMetrics::register(&registry);
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|threads| {
        for writer in 1..=WRITERS {
            let (metrics, stop) = (&metrics, &stop);
            threads.spawn(move || {
                let till = metrics.till();
                let mut n = 0u64;
                while !stop.load(Relaxed) {
                    n += WRITERS;
                    // Trace, span and value all say the same number.
                    let number = n + writer;
                    let exemplar = Exemplar {
                        trace_id: TraceId::from_bytes(
                            (u128::from(number) << 64 | u128::from(number)).to_be_bytes(),
                        ),
                        span_id: SpanId::from_bytes(number.to_be_bytes()),
                    };
                    till.observe_with(10.0 + number as f64, Some(exemplar));
                }
            });
        }
        let mut seen = std::collections::HashSet::new();
        let mut pages = 0;
        // A scheduler that runs one thread after the other shows few of them in few pages.
        while pages < ROUNDS || seen.len() < 10 {
            pages += 1;
            let page = Page::parse(&registry.render(Format::OpenMetrics)).unwrap();
            for line in page.samples() {
                let Some(exemplar) = &line.exemplar else {
                    continue;
                };
                let trace = &exemplar.labels["trace_id"];
                let (high, low) = trace.split_at(16);
                assert_eq!(high, low);
                assert_eq!(low, exemplar.labels["span_id"]);
                let number = u64::from_str_radix(low, 16).unwrap();
                assert_eq!(exemplar.value, 10.0 + number as f64);
                assert!(exemplar.timestamp.unwrap() > 1.7e9);
                seen.insert(number);
            }
        }
        stop.store(true, Relaxed);
        seen
    });
    assert!(seen.len() >= 10, "{}", seen.len());
}

#[test]
fn pages_are_written_while_others_record_and_register() {
    let registry = Registry::new();
    let metrics = ShopMetrics::register(&registry);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for place in 0..150 {
                metrics.orders(&place.to_string(), Tier::Free).inc();
                metrics.till().observe(0.1);
            }
        });
        for _ in 0..50 {
            let page = Page::parse(&registry.render(Format::Text)).unwrap();
            assert_eq!(
                page.value("shop_till_seconds_count"),
                page.value("shop_till_seconds_bucket{le=\"+Inf\"}")
            );
        }
    });
    let page = Page::parse(&registry.render(Format::Text)).unwrap();
    assert_eq!(page.value("shop_orders_total{tier=\"free\"}"), Some(150.0));
}

#[test]
fn the_format_is_chosen_by_what_real_scrapers_accept() {
    use Format::{OpenMetrics, OpenMetricsDraft, Text};
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
        // Prometheus before the format was finished.
        (
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetricsDraft,
        ),
        (
            "application/openmetrics-text;version=2.0.0,text/plain;q=0.5",
            Text,
        ),
        // A range that names the type goes before one that does not, and a version before none.
        ("application/openmetrics-text;q=0.5,*/*;q=0.8", Text),
        (
            "application/openmetrics-text;q=0.5,text/*;q=0.4,*/*;q=0.8",
            OpenMetrics,
        ),
        (
            "application/openmetrics-text;q=0.9,application/openmetrics-text;version=1.0.0;q=0.1,text/plain;q=0.5",
            OpenMetricsDraft,
        ),
        (
            "text/plain;version=1.0.0,application/openmetrics-text;q=0.1",
            OpenMetrics,
        ),
        ("application/*", Text),
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
