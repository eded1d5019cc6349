//! Spans of `tracing` beside typed ones, and what an installed telemetry says of itself.

use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::{Guard, Telemetry};
use serde_json::Value;
use tracing::{Instrument, info, info_span, instrument};

use super::support::{Collector, Lines, PATIENCE, Spans, alone, eager, unreachable};

/// Installs a telemetry, which can be done once in a process.
fn install(collector: &Collector) -> (Guard, Lines) {
    let (sink, lines) = Lines::new();
    let guard = Telemetry::builder("svc")
        .otlp_endpoint(collector.endpoint())
        .queue(eager())
        .log_lines(sink)
        .install()
        .unwrap();
    (guard, lines)
}

/// The line with this message.
fn said(lines: &mut Lines, message: &str) -> Value {
    loop {
        let line = lines
            .written()
            .unwrap_or_else(|| panic!("no line says {message}"));
        if line["message"] == message {
            return line;
        }
    }
}

#[instrument(fields(rag.top_k = 5))]
async fn outermost() {
    tokio::task::yield_now().await;
    let typed = RetrieveContext::start(5, 0.5);
    typed.run(inner()).await;
    info!("in the outermost");
}

#[instrument(skip_all)]
async fn inner() {
    tokio::task::yield_now().await;
    info!("in the inner");
    let innermost = BuildContext::start(1, 1);
    innermost.run(say()).await;
    innermost.finish(1, 1);
}

async fn say() {
    tokio::task::yield_now().await;
    info!("in the innermost");
}

#[test]
fn futures_that_are_polled_by_turns_do_not_get_into_each_other_s_spans() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, mut lines) = install(&collector);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            // Two at once, whose polls alternate: neither gets into the other's trace.
            tokio::join!(
                outermost(),
                info_span!("other").in_scope(|| outermost().in_current_span())
            );
            let report = telemetry.flush(PATIENCE).await;
            assert_eq!(report.exported, 9, "spans of both kinds wait in one queue");
        });
        let spans = collector.arrived();
        let other = spans.named("other").trace_id();
        let first: Vec<_> = spans
            .iter()
            .filter(|span| span.trace_id() != other)
            .cloned()
            .collect();
        assert_eq!(first.len(), 4);
        let chain = [
            "outermost",
            "rag.retrieve_context",
            "inner",
            "rag.build_context",
        ];
        assert_eq!(first.named(chain[0]).parent(), "");
        for pair in chain.windows(2) {
            let (parent, child) = (first.named(pair[0]), first.named(pair[1]));
            assert_eq!(
                child.parent(),
                parent.span_id(),
                "{} under {}",
                pair[1],
                pair[0]
            );
            assert_eq!(child.trace_id(), parent.trace_id());
            assert_eq!(child.resource, parent.resource);
        }
        assert_eq!(first.named("outermost").get("rag.top_k"), 5);

        let mut all: Vec<Value> = std::iter::from_fn(|| lines.written()).collect();
        all.retain(|line| line["trace_id"] == first[0].trace_id());
        for (message, span) in [
            ("in the innermost", "rag.build_context"),
            ("in the inner", "inner"),
            ("in the outermost", "outermost"),
        ] {
            let line = all.iter().find(|line| line["message"] == message).unwrap();
            assert_eq!(line["span_id"], first.named(span).span_id(), "{message}");
        }
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 9);
    });
}

/// A typed span with a `tracing` span in it, and a line in that.
fn work(place: &'static str) {
    let typed = BuildContext::start(1, 1);
    typed.in_scope(|| info_span!("inside", place).in_scope(|| info!(place, "said")));
    typed.finish(1, 1);
}

#[test]
fn both_kinds_of_span_and_lines_nest_wherever_the_context_is_carried() {
    use llasta_telemetry::context::{Scope, carry, carry_fn};
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    const PLACES: [&str; 7] = [
        "task",
        "set",
        "blocking",
        "thread",
        "scoped thread",
        "rayon",
        "parallel iterator",
    ];
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, mut lines) = install(&collector);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let outer = async {
            let typed = RetrieveContext::start(5, 0.5);
            let all = async {
                let [task, set, blocking, thread, scoped, once, each] = PLACES;
                tokio::spawn(carry(async move {
                    tokio::task::yield_now().await;
                    work(task);
                }))
                .await
                .unwrap();
                let mut tasks = tokio::task::JoinSet::new();
                tasks.spawn(carry(async move { work(set) }));
                tasks.join_all().await;
                tokio::task::spawn_blocking(carry_fn(move || work(blocking)))
                    .await
                    .unwrap();
                std::thread::spawn(carry_fn(move || work(thread)))
                    .join()
                    .unwrap();
                std::thread::scope(|threads| {
                    threads.spawn(carry_fn(|| work(scoped)));
                });
                rayon::join(carry_fn(|| work(once)), || {});
                let scope = Scope::current();
                [each]
                    .into_par_iter()
                    .for_each(|place| scope.in_scope(|| work(place)));
            };
            let span = typed.in_scope(|| info_span!("all"));
            typed.run(all.instrument(span)).await;
        };
        runtime.block_on(outer.instrument(info_span!("outer")));
        let count = 3 + 2 * PLACES.len() as u64;
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, count);

        let spans = collector.arrived();
        let all = spans.named("all");
        assert_eq!(all.parent(), spans.named("rag.retrieve_context").span_id());
        let outer = spans.named("outer").span_id();
        assert_eq!(spans.named("rag.retrieve_context").parent(), outer);
        let lines = lines.all();
        for place in PLACES {
            let inside = spans.iter().find(|span| span.get("place") == place);
            let inside = inside.unwrap();
            let typed = spans.iter().find(|span| span.span_id() == inside.parent());
            let typed = typed.unwrap_or_else(|| panic!("{place}: it has no parent"));
            assert_eq!(typed.name(), "rag.build_context", "{place}");
            assert_eq!(typed.parent(), all.span_id(), "{place}");
            assert_eq!(inside.trace_id(), all.trace_id(), "{place}");
            let line = lines.iter().find(|line| line["place"] == place).unwrap();
            assert_eq!(line["trace_id"], all.trace_id(), "{place}");
            assert_eq!(line["span_id"], inside.span_id(), "{place}");
        }
    });
}

/// Fifty of each kind under each other, with an `await` in each.
fn deep(depth: usize) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        if depth == 0 {
            info!("at the bottom");
        } else if depth.is_multiple_of(2) {
            let span = RetrieveContext::start(depth, 0.5);
            span.run(deep(depth - 1)).await;
        } else {
            deep(depth - 1).instrument(info_span!("level")).await;
        }
        tokio::task::yield_now().await;
        info!(depth, "on the way back");
    })
}

#[test]
fn they_nest_to_any_depth_across_awaits() {
    const DEPTH: usize = 100;
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, mut lines) = install(&collector);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        // Tasks that move between two threads, and two of them at once.
        runtime.block_on(async {
            let (one, other) = tokio::join!(tokio::spawn(deep(DEPTH)), tokio::spawn(deep(DEPTH)));
            one.unwrap();
            other.unwrap();
        });
        let count = 2 * DEPTH as u64;
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, count);
        let spans = collector.arrived();
        let bottoms = lines.all();
        let bottoms: Vec<_> = bottoms
            .iter()
            .filter(|line| line["message"] == "at the bottom")
            .collect();
        assert_eq!(bottoms.len(), 2);
        for line in bottoms {
            let mut id = line["span_id"].as_str().unwrap().to_owned();
            for level in 1..=DEPTH {
                let span = spans.iter().find(|span| span.span_id() == id).unwrap();
                let name = ["rag.retrieve_context", "level"][level % 2];
                assert_eq!(span.name(), name);
                assert_eq!(span.trace_id(), line["trace_id"]);
                id = span.parent();
            }
            assert_eq!(id, "", "the outermost is a root");
        }
    });
}

#[instrument(skip_all, fields(rag.top_k = top_k, rag.min_score = 1, rag.query = query, own = 7))]
fn retrieve(top_k: usize, query: &str) {
    let span = tracing::Span::current();
    span.record("own", 8);
    info!("retrieved");
}

/// The span that `retrieve` makes.
fn retrieved() -> super::support::Span {
    let mut collector = Collector::start();
    let (telemetry, _lines) = install(&collector);
    retrieve(5, &"a".repeat(150));
    assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 1);
    collector.arrived().named("retrieve").clone()
}

#[test]
fn a_key_of_the_schema_on_a_tracing_span_is_what_it_is_on_a_typed_one() {
    alone(&[], || {
        let span = retrieved();
        // `tracing` has no unsigned attributes, and whole literals are no floats to it.
        assert_eq!(span.get("rag.top_k"), 5);
        assert!(span.get("rag.top_k").is_i64(), "{:?}", span.attributes());
        assert_eq!(span.get("rag.min_score"), 1.0);
        assert!(span.get("rag.min_score").is_f64());
        assert_eq!(span.get("gen_ai.retrieval.top_k"), 5);
        let query = "a".repeat(100);
        assert_eq!(span.get("rag.query"), query);
        assert_eq!(span.get("gen_ai.retrieval.query.text"), query);
        assert_eq!(span.get("own"), 8, "keys of nobody's stay as they are");
    });
}

#[test]
fn content_on_a_tracing_span_follows_the_policy() {
    alone(&[("LLASTA_CONTENT", "off")], || {
        let span = retrieved();
        assert_eq!(span.get("rag.query"), Value::Null);
        assert_eq!(span.get("gen_ai.retrieval.query.text"), Value::Null);
        assert_eq!(span.get("rag.top_k"), 5);
    });
}

#[test]
fn a_tracing_span_has_the_names_that_are_asked_for() {
    let settings = [
        ("LLASTA_ATTRIBUTE_NAMES", "otel"),
        ("LLASTA_CONTENT", "hash"),
    ];
    alone(&settings, || {
        let span = retrieved();
        assert_eq!(span.get("rag.top_k"), Value::Null);
        assert_eq!(span.get("gen_ai.retrieval.top_k"), 5);
        let query = span.get("gen_ai.retrieval.query.text");
        let query = query.as_str().unwrap();
        assert!(
            query.starts_with("sha256:") && query.ends_with("length:150"),
            "{query}"
        );
    });
}

mod shop {
    llasta_telemetry::schema! {
        /// A shop.
        namespace shop;
        keys {
            /// What the customer wrote.
            NOTE: "shop.note" => str { content, example: "Ring twice." },
            /// Things in the basket.
            THINGS: "shop.things" => i64 { example: "3" },
        }
    }
}

#[test]
fn keys_of_one_s_own_schema_are_known_when_it_is_said() {
    alone(&[("LLASTA_CONTENT", "truncate(4)")], || {
        let mut collector = Collector::start();
        let (sink, _lines) = Lines::new();
        let telemetry = Telemetry::builder("svc")
            .otlp_endpoint(collector.endpoint())
            .log_lines(sink)
            .schema(&shop::NAMESPACE)
            .install()
            .unwrap();
        let things = 3_usize;
        info_span!("order", shop.note = "Ring twice.", shop.things = things).in_scope(|| {});
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 1);
        let spans = collector.arrived();
        let order = spans.named("order");
        assert_eq!(order.get(shop::NOTE.name()), "Ring");
        assert!(order.get(shop::THINGS.name()).is_i64());
    });
}

#[test]
fn baggage_is_on_tracing_spans_too() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, mut lines) = install(&collector);
        let entries = [("session.id", "s-1"), ("secret", "x")];
        llasta_telemetry::context::with_baggage(entries).in_scope(|| {
            info_span!("outside").in_scope(|| {
                info_span!("inside").in_scope(|| info!("said"));
            });
        });
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 2);
        assert_eq!(said(&mut lines, "said")["session.id"], "s-1");
        for span in collector.arrived() {
            assert_eq!(span.get("session.id"), "s-1", "{}", span.name());
            assert_eq!(span.get("secret"), Value::Null);
        }
    });
}

#[test]
fn what_a_tracing_span_says_under_the_other_name_stays() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, _lines) = install(&collector);
        info_span!("both", rag.top_k = 5, gen_ai.retrieval.top_k = 6).in_scope(|| {});
        // Content that is no text is content all the same, and a message stays inside by default.
        info_span!("message", rag.query = 12, llm.input_messages = "hello").in_scope(|| {});
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 2);
        let spans = collector.arrived();
        let both = spans.named("both");
        assert_eq!(both.get("rag.top_k"), 5);
        assert_eq!(both.get("gen_ai.retrieval.top_k"), 6);
        let names = both.proto.attributes.iter().map(|pair| &pair.key);
        let same = names.filter(|name| **name == "gen_ai.retrieval.top_k");
        assert_eq!(same.count(), 1);
        let message = spans.named("message");
        assert_eq!(message.get("rag.query"), "12");
        assert_eq!(message.get("llm.input_messages"), Value::Null);
        assert_eq!(message.get("gen_ai.input.messages"), Value::Null);
    });
}

#[test]
fn an_installed_telemetry_records_where_none_is_current() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, _lines) = install(&collector);
        BuildContext::start(1, 1).finish(1, 1);
        std::thread::spawn(|| BuildContext::start(2, 2).finish(2, 2))
            .join()
            .unwrap();
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 2);
        assert_eq!(collector.arrived().len(), 2);
    });
}

#[test]
fn an_endpoint_whose_scheme_is_assumed_is_warned_about() {
    alone(&[], || {
        let collector = Collector::start();
        let (sink, mut lines) = Lines::new();
        let bare = collector.endpoint().replace("http://", "");
        let builder = Telemetry::builder("svc")
            .otlp_endpoint(bare)
            .log_lines(sink);
        let _telemetry = builder.install().unwrap();
        said(
            &mut lines,
            &format!("OTLP endpoint: {}", collector.endpoint()),
        );
        let warning = lines.written().unwrap();
        assert_eq!(warning["level"], "WARN");
        assert!(
            warning["message"].as_str().unwrap().contains("no scheme"),
            "{warning}"
        );
    });
}

#[test]
fn only_the_application_s_spans_are_traced() {
    alone(&[], || {
        let mut collector = Collector::start();
        let (telemetry, _lines) = install(&collector);
        for _ in 0..2 {
            info_span!(target: "h2::client", "transport").in_scope(|| {});
            info_span!(target: "h2o", "application").in_scope(|| {});
            tracing::debug_span!("detail").in_scope(|| {});
            telemetry.flush_blocking(PATIENCE);
            let names: Vec<_> = collector
                .arrived()
                .iter()
                .map(|span| span.name().to_owned())
                .collect();
            assert_eq!(
                names,
                ["application"],
                "exporting traces nothing of its own"
            );
        }
    });
}

#[test]
fn a_collector_that_cannot_be_reached_is_complained_about_once() {
    alone(&[], || {
        let (sink, mut lines) = Lines::new();
        let builder = Telemetry::builder("svc")
            .otlp_endpoint(unreachable())
            .queue(eager())
            .log_lines(sink);
        let telemetry = builder.install().unwrap();
        for _ in 0..3 {
            BuildContext::start(1, 1).finish(1, 1);
            telemetry.flush_blocking(std::time::Duration::from_millis(50));
        }
        telemetry.shutdown_blocking(PATIENCE);
        let lines = std::iter::from_fn(|| lines.written());
        let complaints: Vec<_> = lines.filter(|line| line["level"] == "WARN").collect();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        let message = complaints[0]["message"].as_str().unwrap();
        assert!(message.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{message}");
        assert_eq!(
            complaints[0]["target"],
            "llasta_telemetry::pipeline::worker"
        );
    });
}
