use std::sync::atomic::{AtomicU64, Ordering};

use llasta_telemetry::opentelemetry::Context;
use llasta_telemetry::opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use llasta_telemetry::opentelemetry_sdk::trace::{
    self as sdk, IdGenerator, SamplingDecision, ShouldSample,
};
use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::testing::Recorder;
use llasta_telemetry::{ErrorKind, Sampler};

/// Ids all over the range, the same in every run.
#[derive(Debug, Default)]
struct Spread(AtomicU64);

impl Spread {
    /// The generator `SplitMix64`.
    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15u64;
        let mut z = self.0.fetch_add(step, Ordering::SeqCst).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl IdGenerator for Spread {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(self.next()) << 64 | u128::from(self.next()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(self.next())
    }
}

fn caller(sampled: bool) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let state = TraceState::default();
    let span = SpanContext::new(TraceId::from(7), SpanId::from(7), flags, true, state);
    Context::new().with_remote_span_context(span)
}

/// Whether a span is kept, and which trace it is in.
fn keeps(seen: &Recorder, parent: Context) -> (bool, TraceId) {
    let _attached = parent.attach();
    let span = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    (span.is_recording(), span.trace_id())
}

#[test]
fn shares_are_decided_as_the_sdk_decides_them() {
    for ratio in [-1.0, 0.0, 0.001, 0.1, 0.3, 0.5, 0.9, 0.9999, 1.0, 2.0] {
        let theirs = sdk::Sampler::TraceIdRatioBased(ratio);
        for ours in [Sampler::Ratio(ratio), Sampler::ParentOrRatio(ratio)] {
            let seen = Recorder::builder("shop")
                .sampler(ours)
                .ids(Spread::default())
                .build();
            let mut kept = 0;
            for _ in 0..2_000 {
                let (keeps, trace) = keeps(&seen, Context::new());
                let result = theirs.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
                let sampled = result.decision == SamplingDecision::RecordAndSample;
                assert_eq!(keeps, sampled, "{ours:?} of {trace}");
                kept += u32::from(keeps);
            }
            let share = f64::from(kept) / 2_000.0;
            assert!(
                (share - ratio.clamp(0.0, 1.0)).abs() < 0.05,
                "{ours:?} kept {share}"
            );
        }
    }
}

#[test]
fn the_caller_decides_where_it_is_asked() {
    use Sampler::*;
    // The sampler, then: without a caller, with one that keeps, with one that does not.
    for (sampler, alone, kept, not_kept) in [
        (AlwaysOn, true, true, true),
        (AlwaysOff, false, false, false),
        (ParentOrAlwaysOn, true, true, false),
        (ParentOrAlwaysOff, false, true, false),
        (ParentOrRatio(0.0), false, true, false),
        (ParentOrRatio(1.0), true, true, false),
        (Ratio(0.0), false, false, false),
        (Ratio(1.0), true, true, true),
    ] {
        let seen = Recorder::builder("shop").sampler(sampler).build();
        let decisions =
            [Context::new(), caller(true), caller(false)].map(|parent| keeps(&seen, parent).0);
        assert_eq!(decisions, [alone, kept, not_kept], "{sampler:?}");
    }
}

#[test]
fn what_is_not_kept_still_hands_its_ids_on() {
    let seen = Recorder::builder("shop")
        .sampler(Sampler::AlwaysOff)
        .build();
    let outer = RetrieveContext::start_in(seen.telemetry(), 5, 0.5);
    let (inner, current) = outer.in_scope(|| {
        let inner = RetrieveContext::start(5, 0.5);
        (inner.trace_id(), llasta_telemetry::context::ids())
    });
    assert_eq!(inner, outer.trace_id());
    assert_eq!((current.span_id, current.sampled), (outer.span_id(), false));
    assert_ne!(outer.trace_id(), TraceId::INVALID);
}

#[test]
fn settings_are_read_as_the_specification_names_them() {
    for (name, share, sampler) in [
        ("always_on", None, Sampler::AlwaysOn),
        ("always_off", None, Sampler::AlwaysOff),
        ("traceidratio", Some("0.25"), Sampler::Ratio(0.25)),
        ("traceidratio", None, Sampler::Ratio(1.0)),
        ("parentbased_always_on", None, Sampler::ParentOrAlwaysOn),
        ("parentbased_always_off", None, Sampler::ParentOrAlwaysOff),
        (
            "parentbased_traceidratio",
            Some(" 0.5 "),
            Sampler::ParentOrRatio(0.5),
        ),
    ] {
        assert_eq!(Sampler::parse(name, share).unwrap(), sampler);
    }
    for (name, share, wrong) in [
        ("sometimes", None, "`sometimes`"),
        ("traceidratio", Some("1.5"), "`1.5`"),
        ("traceidratio", Some("half"), "`half`"),
        ("traceidratio", Some("NaN"), "`NaN`"),
    ] {
        let error = Sampler::parse(name, share).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(wrong), "{error}");
    }
    assert_eq!(Sampler::default(), Sampler::ParentOrAlwaysOn);
}
