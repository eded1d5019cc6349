//! The record of a span that is kept: OpenTelemetry's `Span`, filled in place.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use opentelemetry::trace::{Event, Link, Span, SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::SpanSink;
use crate::telemetry::instrumentation_scope;

/// OpenTelemetry's default limit; what is beyond it is counted as dropped.
const MOST_ATTRIBUTES: usize = 128;
const MOST_EVENTS: usize = 128;
const MOST_LINKS: usize = 128;

static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(instrumentation_scope);

/// A span that is kept. It is moved several times until it lies in its context, so it holds what
/// differs from span to span, and becomes the SDK's larger record at its end.
#[derive(Debug)]
pub(super) struct Recording {
    /// `None` after the end.
    live: Option<Live>,
    context: SpanContext,
    sink: Arc<dyn SpanSink>,
}

/// What is said of a span until it ends.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) parent: SpanId,
    pub(super) parent_is_remote: bool,
    pub(super) kind: SpanKind,
    pub(super) name: Cow<'static, str>,
    pub(super) start: SystemTime,
    pub(super) attributes: Vec<KeyValue>,
    dropped_attributes: u32,
    status: Status,
    /// Most spans have neither.
    events_and_links: Option<Box<(SpanEvents, SpanLinks)>>,
}

impl Live {
    #[inline]
    pub(super) fn new(
        (parent, parent_is_remote): (SpanId, bool),
        kind: SpanKind,
        name: Cow<'static, str>,
        start: SystemTime,
        attributes: Vec<KeyValue>,
    ) -> Self {
        Self {
            parent,
            parent_is_remote,
            kind,
            name,
            start,
            attributes,
            dropped_attributes: 0,
            status: Status::Unset,
            events_and_links: None,
        }
    }

    fn events_and_links(&mut self) -> &mut (SpanEvents, SpanLinks) {
        self.events_and_links.get_or_insert_default()
    }

    fn ended(self, span_context: SpanContext, end: SystemTime) -> SpanData {
        let (events, links) = self.events_and_links.map(|both| *both).unwrap_or_default();
        SpanData {
            span_context,
            parent_span_id: self.parent,
            parent_span_is_remote: self.parent_is_remote,
            span_kind: self.kind,
            name: self.name,
            start_time: self.start,
            end_time: end.max(self.start),
            attributes: self.attributes,
            dropped_attributes_count: self.dropped_attributes,
            events,
            links,
            status: self.status,
            instrumentation_scope: SCOPE.clone(),
        }
    }
}

impl Recording {
    #[inline]
    pub(super) fn new(context: SpanContext, live: Live, sink: Arc<dyn SpanSink>) -> Self {
        Self {
            live: Some(live),
            context,
            sink,
        }
    }
}

impl Span for Recording {
    fn add_event_with_timestamp<T>(
        &mut self,
        name: T,
        timestamp: SystemTime,
        attributes: Vec<KeyValue>,
    ) where
        T: Into<Cow<'static, str>>,
    {
        let Some(live) = &mut self.live else { return };
        let (events, _) = live.events_and_links();
        if events.events.len() < MOST_EVENTS {
            let event = Event::new(name, timestamp, attributes, 0);
            events.events.push(event);
        } else {
            events.dropped_count += 1;
        }
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.live.is_some()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        let Some(live) = &mut self.live else { return };
        if let Some(known) = live
            .attributes
            .iter_mut()
            .find(|known| known.key == attribute.key)
        {
            known.value = attribute.value;
        } else if live.attributes.len() < MOST_ATTRIBUTES {
            live.attributes.push(attribute);
        } else {
            live.dropped_attributes += 1;
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(live) = &mut self.live {
            // The specification's order: Ok is final, Unset changes nothing.
            if status > live.status
                || matches!(
                    (&status, &live.status),
                    (Status::Error { .. }, Status::Error { .. })
                )
            {
                live.status = status;
            }
        }
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(live) = &mut self.live {
            live.name = new_name.into();
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        let Some(live) = &mut self.live else { return };
        let (_, links) = live.events_and_links();
        if links.links.len() < MOST_LINKS {
            links.links.push(Link::new(span_context, attributes, 0));
        } else {
            links.dropped_count += 1;
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(live) = self.live.take() {
            self.sink
                .on_end(live.ended(self.context.clone(), timestamp));
        }
    }
}

impl Drop for Recording {
    // A typed span ends when it is dropped; this is for whoever took the context and kept it.
    fn drop(&mut self) {
        if self.live.is_some() {
            self.end();
        }
    }
}
