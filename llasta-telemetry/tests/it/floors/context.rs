use llasta_telemetry::context::{self, Scope, carry, carry_fn};
use llasta_telemetry::opentelemetry::Context;
use llasta_telemetry::opentelemetry::trace::{
    Span as _, TraceContextExt, Tracer as _, TracerProvider as _,
};
use llasta_telemetry::opentelemetry_sdk::trace::SdkTracerProvider;
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::testing::Recorder;

#[test]
fn typed_spans_and_spans_of_the_sdk_nest_under_each_other() {
    let seen = Recorder::new("shop");
    let tracer = SdkTracerProvider::builder().build().tracer("a library");

    let outer = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    outer.in_scope(|| {
        let middle = tracer.start("of the sdk");
        let middle_context = middle.span_context().clone();
        assert_eq!(middle_context.trace_id(), outer.trace_id());
        assert!(
            middle.is_recording(),
            "the decision to keep it is handed on"
        );
        let _middle = Context::current_with_span(middle).attach();
        BuildContext::start(3, 4000).finish(2, 10);
        let inner = seen.span("rag.build_context").unwrap();
        assert_eq!(
            inner.parent_span_id,
            Some(middle_context.span_id().to_string())
        );
        assert_eq!(inner.trace_id, outer.trace_id().to_string());
    });
}

#[test]
fn a_typed_span_begins_under_a_span_of_the_sdk() {
    let seen = Recorder::new("shop");
    let tracer = SdkTracerProvider::builder().build().tracer("a library");
    let outer = Context::current_with_span(tracer.start("of the sdk"));
    let outer_context = outer.span().span_context().clone();
    let _outer = outer.attach();
    drop(RetrieveContext::start_in(seen.telemetry(), 5, 0.5));
    let span = &seen.spans()[0];
    assert_eq!(span.trace_id, outer_context.trace_id().to_string());
    assert_eq!(
        span.parent_span_id,
        Some(outer_context.span_id().to_string())
    );
}

#[test]
fn leaving_puts_back_what_was_current() {
    let seen = Recorder::new("shop");
    assert!(!context::ids().is_valid());
    let outer = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let entered = outer.enter();
    let inner = BuildContext::start(1, 1);
    inner.in_scope(|| assert_eq!(context::ids().span_id, inner.span_id()));
    assert_eq!(context::ids().span_id, outer.span_id());
    assert!(context::ids().sampled);
    drop(entered);
    assert!(!context::ids().is_valid());
}

#[tokio::test]
async fn a_task_sees_the_span_when_it_is_carried_along() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let (carried, lost) = span
        .run(async {
            let carried = tokio::spawn(carry(async {
                tokio::task::yield_now().await;
                BuildContext::start(1, 1).finish(1, 1);
                context::ids()
            }));
            let lost = tokio::spawn(async { context::ids() });
            (carried.await.unwrap(), lost.await.unwrap())
        })
        .await;
    assert_eq!(carried.span_id, span.span_id());
    assert!(!lost.is_valid(), "without carrying it is lost");
    let inner = seen
        .span("rag.build_context")
        .expect("the telemetry is carried too");
    assert_eq!(inner.parent_span_id, Some(span.span_id().to_string()));
}

#[tokio::test]
async fn a_blocking_thread_sees_the_span_when_it_is_carried_along() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let work = || {
        BuildContext::start(1, 1).finish(1, 1);
        context::ids()
    };
    let carried = span.in_scope(|| tokio::task::spawn_blocking(carry_fn(work)));
    assert_eq!(carried.await.unwrap().span_id, span.span_id());
    let lost = span.in_scope(|| tokio::task::spawn_blocking(work));
    assert!(!lost.await.unwrap().is_valid());
    assert!(
        seen.span("rag.build_context").is_some(),
        "the lost one went nowhere"
    );
}

/// Does what a task does: a span of its own, and the ids it sees.
fn work() -> context::Ids {
    BuildContext::start(1, 1).finish(1, 1);
    context::ids()
}

/// That so many spans were recorded, each under this one.
fn all_under(seen: &Recorder, span: &RetrieveContext, count: usize) {
    let spans = seen.spans();
    assert_eq!(spans.len(), count);
    for inner in &spans {
        assert_eq!(inner.name, "rag.build_context");
        assert_eq!(inner.parent_span_id, Some(span.span_id().to_string()));
        assert_eq!(inner.trace_id, span.trace_id().to_string());
    }
}

#[tokio::test]
async fn a_set_of_tasks_sees_the_span_when_it_is_carried_along() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let mut tasks = tokio::task::JoinSet::new();
    span.in_scope(|| {
        for _ in 0..3 {
            tasks.spawn(carry(async {
                tokio::task::yield_now().await;
                work()
            }));
        }
        tasks.spawn_blocking(carry_fn(work));
    });
    for ids in tasks.join_all().await {
        assert_eq!(ids.span_id, span.span_id());
    }
    all_under(&seen, &span, 4);
}

#[test]
fn threads_see_the_span_when_it_is_carried_along() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let (ids, scoped) = span.in_scope(|| {
        let free = std::thread::spawn(carry_fn(work));
        let scoped = std::thread::scope(|threads| threads.spawn(carry_fn(work)).join().unwrap());
        (free.join().unwrap(), scoped)
    });
    assert_eq!(
        (ids.span_id, scoped.span_id),
        (span.span_id(), span.span_id())
    );
    let lost = span.in_scope(|| std::thread::spawn(work).join().unwrap());
    assert!(!lost.is_valid(), "without carrying it is lost");
    all_under(&seen, &span, 2);
}

#[test]
fn rayon_sees_the_span_when_it_is_carried_along() {
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    const MANY: usize = 200;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let ids = span.in_scope(|| {
        let scope = Scope::current();
        pool.install(|| {
            let each: Vec<_> = (0..MANY)
                .into_par_iter()
                .map(|_| scope.in_scope(work))
                .collect();
            each
        })
    });
    assert!(ids.iter().all(|ids| ids.span_id == span.span_id()));

    // Those that run a closure once are wrapped as threads are.
    let (left, right) =
        span.in_scope(|| pool.install(carry_fn(|| rayon::join(carry_fn(work), carry_fn(work)))));
    assert_eq!(
        (left.span_id, right.span_id),
        (span.span_id(), span.span_id())
    );
    let (send, receive) = std::sync::mpsc::channel();
    span.in_scope(|| pool.spawn(carry_fn(move || send.send(work()).unwrap())));
    assert_eq!(receive.recv().unwrap().span_id, span.span_id());
    all_under(&seen, &span, MANY + 3);

    // The threads of the pool go on without it.
    let after: Vec<_> = pool.broadcast(|_| context::ids());
    assert!(after.iter().all(|ids| !ids.is_valid()));
}

#[test]
fn a_thread_that_panics_leaves_the_span() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let work = span.in_scope(|| carry_fn(|| panic!("on purpose")));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    assert!(panicked.is_err());
    assert!(!context::ids().is_valid());
}

#[tokio::test]
async fn between_two_polls_nothing_is_current() {
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let mut inside = Vec::new();
    let work = span.run(async {
        for _ in 0..3 {
            inside.push(context::ids().span_id);
            tokio::task::yield_now().await;
        }
    });
    let outside = async {
        for _ in 0..3 {
            assert!(!context::ids().is_valid());
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(work, outside);
    assert_eq!(inside, [span.span_id(); 3]);
}

#[tokio::test]
async fn a_future_that_is_dropped_is_dropped_inside_its_span() {
    struct Speaks(std::sync::mpsc::Sender<context::Ids>);
    impl Drop for Speaks {
        fn drop(&mut self) {
            let _ = self.0.send(context::ids());
        }
    }
    let seen = Recorder::new("shop");
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let (sender, receiver) = std::sync::mpsc::channel();
    let speaks = Speaks(sender);
    let mut work = Box::pin(span.run(async move {
        let _speaks = speaks;
        std::future::pending::<()>().await;
    }));
    let polled = futures_util::poll!(work.as_mut());
    assert!(polled.is_pending());
    drop(work);
    assert_eq!(receiver.recv().unwrap().span_id, span.span_id());
}
