use llasta_telemetry::context::{self, carry, carry_fn};
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
