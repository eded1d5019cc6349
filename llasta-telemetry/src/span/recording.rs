//! The record of a span that is kept: OpenTelemetry's `Span`, filled in place.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, Link, Span, SpanContext, Status};
use opentelemetry_sdk::trace::SpanData;

use super::SpanSink;

/// OpenTelemetry's default limit; what is beyond it is counted as dropped.
const MOST_ATTRIBUTES: usize = 128;
const MOST_EVENTS: usize = 128;

#[derive(Debug)]
pub(super) struct Recording {
    /// `None` after the end.
    data: Option<SpanData>,
    context: SpanContext,
    sink: Arc<dyn SpanSink>,
}

impl Recording {
    pub(super) fn new(data: SpanData, sink: Arc<dyn SpanSink>) -> Self {
        Self {
            context: data.span_context.clone(),
            data: Some(data),
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
        if let Some(data) = &mut self.data {
            if data.events.events.len() < MOST_EVENTS {
                data.events
                    .events
                    .push(Event::new(name, timestamp, attributes, 0));
            } else {
                data.events.dropped_count += 1;
            }
        }
    }

    fn span_context(&self) -> &SpanContext {
        &self.context
    }

    fn is_recording(&self) -> bool {
        self.data.is_some()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        let Some(data) = &mut self.data else { return };
        if let Some(known) = data
            .attributes
            .iter_mut()
            .find(|known| known.key == attribute.key)
        {
            known.value = attribute.value;
        } else if data.attributes.len() < MOST_ATTRIBUTES {
            data.attributes.push(attribute);
        } else {
            data.dropped_attributes_count += 1;
        }
    }

    fn set_status(&mut self, status: Status) {
        if let Some(data) = &mut self.data {
            // The specification's order: Ok is final, Unset changes nothing.
            if status > data.status
                || matches!(
                    (&status, &data.status),
                    (Status::Error { .. }, Status::Error { .. })
                )
            {
                data.status = status;
            }
        }
    }

    fn update_name<T>(&mut self, new_name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        if let Some(data) = &mut self.data {
            data.name = new_name.into();
        }
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        if let Some(data) = &mut self.data {
            data.links
                .links
                .push(Link::new(span_context, attributes, 0));
        }
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(mut data) = self.data.take() {
            data.end_time = timestamp.max(data.start_time);
            self.sink.on_end(data);
        }
    }
}

impl Drop for Recording {
    // A typed span ends when it is dropped; this is for whoever took the context and kept it.
    fn drop(&mut self) {
        if self.data.is_some() {
            self.end();
        }
    }
}
