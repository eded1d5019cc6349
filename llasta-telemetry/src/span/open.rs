//! How a span begins: the sampler is asked first, and everything else is built after its answer.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceState,
};
use opentelemetry::{Context, KeyValue};

use super::recording::{Live, Recording};
use crate::context::baggage;
use crate::schema::Kind;
use crate::telemetry::Telemetry;

/// A span that has begun: the context in which it is current.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) context: Context,
    /// Whether it is kept. One that is not has ids to pass on and nothing else.
    pub(crate) recording: bool,
}

/// What the sampler was asked, and said.
enum Decided {
    /// The span's own context, its parent, and whether that one is remote.
    Kept(SpanContext, (SpanId, bool)),
    /// The ids to pass on.
    NotKept(SpanContext),
    /// Nobody is asked: the current context stays as it is.
    Silent,
}

/// Opens a span under `remote` where there is one and under the current span otherwise. Its start,
/// name and first attributes are only asked for when it is kept.
#[inline]
pub(crate) fn open(
    telemetry: &Telemetry,
    kind: Kind,
    remote: Option<&SpanContext>,
    say: impl FnOnce() -> (SystemTime, Cow<'static, str>, Vec<KeyValue>),
) -> Opened {
    let decided = Context::map_current(|current| decide(telemetry, remote, current));
    match decided {
        Decided::Kept(context, parent) => Opened {
            context: record(telemetry, kind, context, parent, say),
            recording: true,
        },
        Decided::NotKept(context) => Opened {
            context: Context::map_current(|current| current.with_remote_span_context(context)),
            recording: false,
        },
        Decided::Silent => Opened {
            context: Context::current(),
            recording: false,
        },
    }
}

/// The ids to pass on where a span would not be kept, and nothing inside it either: nothing has to
/// be made current then. `None` where a span has to be opened to know or to say more.
#[cfg(feature = "client")]
pub(crate) fn pass(telemetry: &Telemetry) -> Option<SpanContext> {
    let sampler = telemetry.tracer().sampler;
    Context::map_current(|current| {
        let around = current.span();
        let around = around.span_context();
        // A new trace that is left out by chance has to be current, so that all of it is.
        let leaves_out = if around.is_valid() {
            !sampler.keeps(Some(around), around.trace_id())
        } else {
            sampler.is_off()
        };
        leaves_out.then_some(())?;
        match decide(telemetry, None, current) {
            Decided::NotKept(context) => Some(context),
            Decided::Kept(..) | Decided::Silent => None,
        }
    })
}

/// Makes the record of a span that is kept.
fn record(
    telemetry: &Telemetry,
    kind: Kind,
    context: SpanContext,
    parent: (SpanId, bool),
    say: impl FnOnce() -> (SystemTime, Cow<'static, str>, Vec<KeyValue>),
) -> Context {
    // Whoever names it may enter spans of its own, so the current context is not held meanwhile.
    let (start, name, mut attributes) = say();
    Context::map_current(|current| {
        for (key, value) in baggage::recorded(current, telemetry.baggage_keys()) {
            attributes.push(baggage::attribute(key, &value));
        }
    });
    let live = Live::new(parent, span_kind(kind), name, start, attributes);
    let sink = telemetry.tracer().sink.clone();
    Context::current_with_span(Recording::new(context, live, sink))
}

#[inline]
fn decide(telemetry: &Telemetry, remote: Option<&SpanContext>, current: &Context) -> Decided {
    if !telemetry.is_enabled() || current.is_telemetry_suppressed() {
        return Decided::Silent;
    }
    let tracer = telemetry.tracer();
    let around = current.span();
    let parent = remote.or_else(|| Some(around.span_context()).filter(|span| span.is_valid()));
    let (trace_id, parent_id, is_remote, state) = match parent {
        Some(parent) => (
            parent.trace_id(),
            parent.span_id(),
            parent.is_remote(),
            parent.trace_state().clone(),
        ),
        None => (
            tracer.ids.trace(),
            SpanId::INVALID,
            false,
            TraceState::default(),
        ),
    };
    let keeps = tracer.sampler.keeps(parent, trace_id);
    let flags = if keeps {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::NOT_SAMPLED
    };
    let context = SpanContext::new(trace_id, tracer.ids.span(), flags, false, state);
    if keeps {
        Decided::Kept(context, (parent_id, is_remote))
    } else {
        Decided::NotKept(context)
    }
}

fn span_kind(kind: Kind) -> SpanKind {
    match kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
    }
}
