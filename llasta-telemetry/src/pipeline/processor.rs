//! Spans that pass through the SDK, such as those of `tracing`, into the same queue.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::Queue;
use crate::context::baggage;
use crate::schema::{AttributeType, KeyDef};
use crate::span::{self, SpanSink};
use crate::telemetry::{Exporting, Telemetry};

/// Brings spans that pass through the SDK into the queue of a telemetry. What they carry under a
/// key of a schema, or under the name it had before, becomes what a typed span would carry: of the
/// key's type, under the names that are asked for, and no more content than the policy lets out.
#[derive(Debug)]
pub(crate) struct Processor {
    queue: Arc<Queue>,
    telemetry: Telemetry,
}

impl Processor {
    pub(crate) fn new(queue: Arc<Queue>, telemetry: Telemetry) -> Self {
        Self { queue, telemetry }
    }

    fn as_typed(&self, attributes: &mut Vec<KeyValue>) {
        let schema = self.telemetry.schema();
        let known = |attribute: &KeyValue| {
            let name = attribute.key.as_str();
            schema.key(name).or_else(|| schema.renamed_key(name))
        };
        if !attributes
            .iter()
            .any(|attribute| known(attribute).is_some())
        {
            return;
        }
        let said = std::mem::take(attributes);
        // A second name does not replace what was said under it.
        let own: Vec<_> = said.iter().map(|one| one.key.clone()).collect();
        for attribute in said {
            let Some(key) = known(&attribute) else {
                attributes.push(attribute);
                continue;
            };
            let said_as = attribute.key;
            let value = of_type(key, attribute.value);
            span::name(&self.telemetry, key, value, |name, value| {
                if name == said_as.as_str() || !own.iter().any(|other| other.as_str() == name) {
                    attributes.push(KeyValue::new(name, value));
                }
            });
        }
    }
}

/// A value of the type that the key is declared with, where it can be one. `tracing` has no
/// unsigned attributes: it makes texts of a `usize`, and backends compare strictly.
fn of_type(key: &KeyDef, value: Value) -> Value {
    let other = match (key.ty, &value) {
        (AttributeType::Int, Value::String(text)) => text.as_str().parse().ok().map(Value::I64),
        (AttributeType::Double, Value::String(text)) => text.as_str().parse().ok().map(Value::F64),
        (AttributeType::Double, Value::I64(number)) => Some(Value::F64(*number as f64)),
        (AttributeType::Bool, Value::String(text)) => text.as_str().parse().ok().map(Value::Bool),
        // Content that is no text would pass by the policy.
        (AttributeType::String, Value::String(_)) => None,
        (AttributeType::String, other) => Some(Value::String(other.to_string().into())),
        _ => None,
    };
    other.unwrap_or(value)
}

impl SpanProcessor for Processor {
    fn on_start(&self, span: &mut Span, parent: &Context) {
        for (key, value) in baggage::recorded(parent, self.telemetry.baggage_keys()) {
            span.set_attribute(baggage::attribute(key, &value));
        }
    }

    fn on_end(&self, mut span: SpanData) {
        self.as_typed(&mut span.attributes);
        self.queue.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        match self.queue.flush(self.queue.limits.timeout) {
            report if report.failed == 0 => Ok(()),
            report => Err(OTelSdkError::InternalFailure(report.to_string())),
        }
    }

    // The SDK's provider calls this when its last tracer goes. The queue belongs to the telemetry,
    // whose own spans go on.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
