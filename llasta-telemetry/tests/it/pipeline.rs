//! From the queue to the collector: flushing, shutting down, and collectors that do not answer.

use std::time::{Duration, Instant};

use llasta_telemetry::metrics::Format;
use llasta_telemetry::pipeline::QueueLimits;
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::{Guard, Report, Telemetry};
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};

use super::support::{
    Collector, Lines, PATIENCE, Spans, black_hole, eager, soon, telemetry, unreachable,
};

/// More than any deadline here, less than any of the waits it cuts short.
const SLACK: Duration = Duration::from_secs(3);

/// Limits under which nothing is exported until somebody asks.
fn lazy() -> QueueLimits {
    QueueLimits {
        delay: Duration::from_secs(3600),
        ..QueueLimits::default()
    }
}

fn to(endpoint: &str, limits: QueueLimits) -> Guard {
    Telemetry::builder("svc")
        .otlp_endpoint(endpoint)
        .queue(limits)
        .log_lines(Lines::new().0)
        .build()
        .unwrap()
}

fn end_spans(telemetry: &Telemetry, n: u64) {
    for _ in 0..n {
        BuildContext::start_in(telemetry, 3, 4000).finish(2, 1830);
    }
}

fn runtimes() -> [Runtime; 2] {
    [
        RuntimeBuilder::new_current_thread()
            .enable_all()
            .build()
            .unwrap(),
        RuntimeBuilder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap(),
    ]
}

/// The whole of it: every span that has ended is accounted for.
fn total(report: Report) -> u64 {
    report.exported + report.dropped + report.failed
}

#[test]
fn a_shutdown_in_any_runtime_exports_what_waits() {
    for runtime in runtimes() {
        let mut collector = Collector::start();
        let telemetry = to(&collector.endpoint(), lazy());
        let report = runtime.block_on(async move {
            end_spans(&telemetry, 700);
            soon("the shutdown", telemetry.shutdown()).await
        });
        assert_eq!(report.exported, 700);
        assert!(report.is_complete(), "{report}");
        assert_eq!(collector.arrived().len(), 700);
        assert_eq!(
            report.to_string(),
            "700 spans exported, 0 dropped, 0 failed"
        );
    }
}

#[test]
fn a_shutdown_in_any_runtime_keeps_its_deadline_whatever_the_collector_does() {
    const DEADLINE: Duration = Duration::from_millis(300);
    for runtime in runtimes() {
        let (_listener, silent) = black_hole();
        for endpoint in [silent, unreachable()] {
            let telemetry = to(&endpoint, lazy());
            let (report, took) = runtime.block_on(async {
                end_spans(&telemetry, 700);
                let started = Instant::now();
                (telemetry.shutdown_blocking(DEADLINE), started.elapsed())
            });
            assert!(took < DEADLINE + SLACK, "{took:?} at {endpoint}");
            assert_eq!(report.exported, 0);
            assert_eq!(report.failed, 700, "{report} at {endpoint}");
            assert_eq!(total(report), 700);
        }
    }
}

#[test]
fn an_async_shutdown_comes_back_within_five_seconds_and_the_runtime_goes_on() {
    let [runtime, _] = runtimes();
    let (_listener, silent) = black_hole();
    let telemetry = to(&silent, lazy());
    let (report, took, turns) = runtime.block_on(async move {
        end_spans(&telemetry, 10);
        let started = Instant::now();
        let shutdown = telemetry.shutdown();
        tokio::pin!(shutdown);
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut turns = 0;
        loop {
            tokio::select! {
                report = &mut shutdown => break (report, started.elapsed(), turns),
                _ = ticks.tick() => turns += 1,
            }
        }
    });
    assert!(took < Duration::from_secs(5) + SLACK, "{took:?}");
    assert_eq!((report.failed, total(report)), (10, 10));
    assert!(turns > 10, "the runtime stood still: {turns}");
}

#[test]
fn a_collector_that_refuses_is_counted_as_failed_and_tried_again() {
    let [runtime, _] = runtimes();
    let mut collector = Collector::start();
    let telemetry = to(&collector.endpoint(), lazy());
    runtime.block_on(async move {
        collector.refuse(true);
        end_spans(&telemetry, 3);
        let report = telemetry.flush(PATIENCE).await;
        assert_eq!((report.exported, report.failed), (0, 3));
        collector.refuse(false);
        end_spans(&telemetry, 4);
        let report = telemetry.shutdown().await;
        assert_eq!((report.exported, report.dropped, report.failed), (4, 0, 3));
        assert_eq!(collector.arrived().len(), 4);
    });
}

#[test]
fn dropping_the_guard_exports_what_waits() {
    let mut collector = Collector::start();
    let telemetry = to(&collector.endpoint(), lazy());
    end_spans(&telemetry, 5);
    drop(telemetry);
    assert_eq!(collector.arrived().len(), 5);
}

#[test]
fn what_ends_after_the_shutdown_is_dropped_and_a_second_one_says_so() {
    let collector = Collector::start();
    let telemetry = to(&collector.endpoint(), lazy());
    end_spans(&telemetry, 2);
    let first = telemetry.shutdown_blocking(PATIENCE);
    end_spans(&telemetry, 3);
    let second = telemetry.shutdown_blocking(PATIENCE);
    assert_eq!((first.exported, first.dropped), (2, 0));
    assert_eq!((second.exported, second.dropped, second.failed), (2, 3, 0));
    assert_eq!(telemetry.flush_blocking(PATIENCE), second);
}

#[test]
fn a_deadline_without_end_is_no_error() {
    let collector = Collector::start();
    let telemetry = to(&collector.endpoint(), lazy());
    end_spans(&telemetry, 2);
    assert_eq!(telemetry.flush_blocking(Duration::MAX).exported, 2);
    assert_eq!(telemetry.shutdown_blocking(Duration::MAX).exported, 2);
}

#[test]
fn a_full_queue_drops_counts_and_never_waits() {
    let (_listener, silent) = black_hole();
    let limits = QueueLimits {
        capacity: 16,
        batch: 4,
        ..eager()
    };
    let telemetry = to(&silent, limits);
    let started = Instant::now();
    end_spans(&telemetry, 5000);
    let took = started.elapsed();
    assert!(took < SLACK, "{took:?}");
    let report = telemetry.shutdown_blocking(Duration::from_millis(200));
    assert_eq!(report.exported, 0);
    // What found room: the queue, and the batches that the thread took out of it.
    assert!((16..=24).contains(&report.failed), "{report}");
    assert_eq!(total(report), 5000);
}

#[test]
fn spans_of_many_threads_are_all_accounted_for() {
    let mut collector = Collector::start();
    let limits = QueueLimits {
        capacity: 256,
        batch: 64,
        ..eager()
    };
    let telemetry = to(&collector.endpoint(), limits);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| end_spans(&telemetry, 5000));
        }
    });
    let report = telemetry.shutdown_blocking(PATIENCE);
    assert_eq!(total(report), 20_000, "{report}");
    assert_eq!(report.failed, 0);
    assert_eq!(collector.arrived().len() as u64, report.exported);
}

#[tokio::test]
async fn a_full_batch_does_not_wait_for_the_delay() {
    let mut collector = Collector::start();
    let limits = QueueLimits {
        batch: 10,
        ..lazy()
    };
    let telemetry = to(&collector.endpoint(), limits);
    end_spans(&telemetry, 10);
    assert_eq!(collector.take(10).await.len(), 10);
}

#[tokio::test]
async fn a_span_does_not_wait_longer_than_the_delay() {
    let mut collector = Collector::start();
    let telemetry = to(&collector.endpoint(), eager());
    for _ in 0..3 {
        end_spans(&telemetry, 1);
        collector.next().await;
    }
}

#[tokio::test]
async fn a_flush_is_done_when_everything_has_arrived() {
    let mut collector = Collector::start();
    let telemetry = to(&collector.endpoint(), lazy());
    for n in 1..=3 {
        end_spans(&telemetry, 600);
        let report = telemetry.flush(PATIENCE).await;
        assert_eq!(report.exported, 600 * n);
        assert_eq!(collector.arrived().len(), 600);
    }
}

#[tokio::test]
async fn two_telemetries_in_one_process_do_not_mix() {
    let mut collector = Collector::start();
    let (shop, _) = telemetry("shop", &collector);
    let (bank, _) = telemetry("bank", &collector);
    let outer = RetrieveContext::start_in(&shop, 5, 0.5);
    outer.in_scope(|| {
        // Recorded by whoever records its parent.
        BuildContext::start(1, 1).finish(1, 1);
        let other = RetrieveContext::start_in(&bank, 3, 0.1);
        other.in_scope(|| BuildContext::start(2, 2).finish(2, 2));
    });
    drop(outer);
    assert_eq!(bank.shutdown().await.exported, 2);
    assert_eq!(shop.shutdown().await.exported, 2);

    let (of_shop, of_bank): (Vec<_>, Vec<_>) = collector
        .arrived()
        .into_iter()
        .partition(|span| span.service() == "shop");
    let shop_outer = of_shop.named("rag.retrieve_context");
    assert_eq!(
        of_shop.named("rag.build_context").get("rag.input_chunks"),
        1
    );
    assert_eq!(
        of_bank.named("rag.build_context").get("rag.input_chunks"),
        2
    );
    assert_eq!(of_bank.named("rag.retrieve_context").service(), "bank");
    assert_eq!(
        of_bank.named("rag.retrieve_context").parent(),
        shop_outer.span_id()
    );
    assert_ne!(
        shop_outer.resource["service.instance.id"],
        of_bank[0].resource["service.instance.id"]
    );
}

#[tokio::test]
async fn an_endpoint_without_a_scheme_is_http() {
    let mut collector = Collector::start();
    let bare = collector.endpoint().replace("http://", "");
    let telemetry = to(&bare, lazy());
    assert_eq!(telemetry.endpoint(), Some(&*collector.endpoint()));
    end_spans(&telemetry, 1);
    assert_eq!(telemetry.shutdown().await.exported, 1);
    assert_eq!(collector.arrived().len(), 1);
}

#[tokio::test]
async fn the_resource_says_who_it_is() {
    let mut collector = Collector::start();
    let telemetry = Telemetry::builder("svc")
        .version("1.2.3")
        .resource_attribute("deployment.environment.name", "test")
        .otlp_endpoint(collector.endpoint())
        .build()
        .unwrap();
    end_spans(&telemetry, 1);
    telemetry.shutdown().await;
    let resource = collector.next().await.resource;
    assert_eq!(resource["service.name"], "svc");
    assert_eq!(resource["service.version"], "1.2.3");
    assert_eq!(resource["deployment.environment.name"], "test");
    assert_eq!(resource["service.instance.id"].as_str().unwrap().len(), 36);
    assert_eq!(resource["telemetry.sdk.language"], "rust");
}

#[test]
fn the_page_says_what_became_of_the_spans() {
    let collector = Collector::start();
    let limits = QueueLimits {
        capacity: 4,
        ..lazy()
    };
    let telemetry = Telemetry::builder("svc")
        .version("1.2.3")
        .otlp_endpoint(collector.endpoint())
        .queue(limits)
        .build()
        .unwrap();
    let page = || telemetry.registry().render(Format::Text);
    for line in [
        "llasta_telemetry_spans_total{result=\"exported\"} 0\n",
        "llasta_telemetry_export_queue_length 0\n",
        "llasta_telemetry_export_queue_capacity 4\n",
        "llasta_build_info{service=\"svc\",version=\"1.2.3\"} 1\n",
    ] {
        assert!(page().contains(line), "{line} is not in {}", page());
    }
    end_spans(&telemetry, 6);
    assert!(page().contains("llasta_telemetry_export_queue_length 4\n"));
    telemetry.flush_blocking(PATIENCE);
    collector.refuse(true);
    end_spans(&telemetry, 1);
    telemetry.shutdown_blocking(PATIENCE);
    for line in [
        "llasta_telemetry_spans_total{result=\"exported\"} 4\n",
        "llasta_telemetry_spans_total{result=\"dropped\"} 2\n",
        "llasta_telemetry_spans_total{result=\"failed\"} 1\n",
        "llasta_telemetry_export_queue_length 0\n",
    ] {
        assert!(page().contains(line), "{line} is not in {}", page());
    }
}
