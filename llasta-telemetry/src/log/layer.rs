//! Events become lines.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::context::{baggage, ids};
use crate::line::{Level, Line};
use crate::schema::KeyDef;
use crate::telemetry::Telemetry;

/// Writes each event as one line of the telemetry that is current, or of its own.
#[derive(Debug)]
pub struct LineLayer {
    telemetry: Telemetry,
}

impl LineLayer {
    /// A layer that writes to this telemetry's lines when no other is current.
    pub fn new(telemetry: Telemetry) -> Self {
        Self { telemetry }
    }
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        crate::context::current_telemetry(|current| {
            let telemetry = current.unwrap_or(&self.telemetry);
            let Some(lines) = telemetry.lines() else {
                return;
            };
            let metadata = event.metadata();
            let service = telemetry.service_name();
            lines.write(
                level(*metadata.level()),
                metadata.target(),
                service,
                ids(),
                |line| {
                    let mut fields = Fields {
                        line,
                        telemetry,
                        event,
                        text: String::new(),
                        said: false,
                    };
                    event.record(&mut fields);
                    if !fields.said {
                        fields.line.message(metadata.name());
                    }
                    opentelemetry::Context::map_current(|context| {
                        for (key, value) in baggage::recorded(context, telemetry.baggage_keys()) {
                            // What the event says itself goes before it.
                            if metadata.fields().field(key.as_str()).is_none() {
                                line.text(key.as_str(), value.as_str());
                            }
                        }
                    });
                },
            );
        });
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

struct Fields<'a, 'b> {
    line: &'a mut Line<'b>,
    telemetry: &'a Telemetry,
    event: &'a Event<'a>,
    /// For values that are only known by their `Debug`.
    text: String,
    said: bool,
}

impl Fields<'_, '_> {
    /// The key of this name, when a schema says that it holds content.
    fn content(&self, name: &str) -> Option<&'static KeyDef> {
        // Keys have a namespace; most fields have none.
        name.contains('.').then_some(())?;
        let schema = self.telemetry.schema();
        let key = schema.key(name).or_else(|| schema.renamed_key(name))?;
        key.content.then_some(key)
    }

    /// Writes a field, and once more under the other name when a schema renamed its key and the
    /// event does not say that too.
    fn write(&mut self, name: &'static str, put: impl Fn(&mut Line<'_>, &'static str)) {
        put(self.line, name);
        if !name.contains('.') {
            return;
        }
        if let Some(key) = self.telemetry.schema().renamed_key(name)
            && let Some(was) = key.was
        {
            let other = if name == key.name { was.name } else { key.name };
            if self.event.metadata().fields().field(other).is_none() {
                put(self.line, other);
            }
        }
    }
}

impl Visit for Fields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if name == "message" {
            self.said = true;
            self.line.message(value);
        } else if let Some(key) = self.content(name) {
            // One policy governs all content, whoever writes it.
            if let Some(value) = self.telemetry.content().line(key, value) {
                self.write(name, |line, name| line.text(name, &value));
            }
        } else {
            self.write(name, |line, name| line.text(name, value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field.name(), |line, name| line.integer(name, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.write(field.name(), |line, name| line.integer(name, value)),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field.name(), |line, name| line.float(name, value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field.name(), |line, name| line.boolean(name, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
        self.text = text;
    }
}
