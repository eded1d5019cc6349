//! The span behind every typed span.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, SpanRef, Status, TraceContextExt, TraceId};
use opentelemetry::{Array, KeyValue, Value};

use super::attribute::{IntoAttribute, name};
use super::open::{Opened, open};
use super::tracer::{Moment, Names};
use crate::content::truncate;
use crate::context::{Carried, Entered, Ids, Scope};
use crate::schema::{AttributeType, Key, KeyDef, Presence, SpanDef, http};
use crate::telemetry::Telemetry;

/// A future that runs inside a span.
pub type InSpan<F> = Carried<F>;

/// As many attributes as a typed span usually has in the end, both names counted.
const USUAL_ATTRIBUTES: usize = 8;

/// Most Unicode scalar values of an `error.message`.
const ERROR_MESSAGE_CHARS: usize = 100;

/// A span, from its start until it is dropped.
///
/// Typed spans dereference to this: what the schema lists are methods of theirs, what every span
/// can do are methods of this.
#[derive(Debug)]
pub struct Span {
    scope: Scope,
    def: &'static SpanDef,
    started: Moment,
    recording: bool,
    /// The attributes that are known at the end are still owed.
    unfinished: bool,
}

impl Span {
    /// Starts a span under the current one. The typed spans call it; `say` is only asked for a span
    /// that is kept.
    #[doc(hidden)]
    #[inline]
    pub fn start(
        telemetry: &Telemetry,
        def: &'static SpanDef,
        say: impl FnOnce(&mut First<'_>),
    ) -> Self {
        Self::begin(telemetry, def, None, || {
            let mut attributes = Vec::with_capacity(USUAL_ATTRIBUTES);
            if telemetry.tracer().names != Names::Llasta {
                for (key, value) in def.twins {
                    attributes.push(KeyValue::new(key.name, *value));
                    if let Some(was) = &key.was {
                        attributes.push(KeyValue::new(was.name, *value));
                    }
                }
            }
            say(&mut First {
                telemetry,
                attributes: &mut attributes,
            });
            (Cow::Borrowed(def.name), attributes)
        })
    }

    /// Starts a span under `remote` where there is one and under the current span otherwise. Its
    /// name and first attributes are only asked for when it is kept.
    pub(crate) fn begin(
        telemetry: &Telemetry,
        def: &'static SpanDef,
        remote: Option<&SpanContext>,
        say: impl FnOnce() -> (Cow<'static, str>, Vec<KeyValue>),
    ) -> Self {
        let started = telemetry.tracer().clock.now();
        let Opened { context, recording } = open(telemetry, def.kind, remote, || {
            let (name, attributes) = say();
            (started.wall, name, attributes)
        });
        Self {
            scope: Scope {
                context,
                telemetry: Some(telemetry.clone()),
            },
            def,
            started,
            recording,
            unfinished: true,
        }
    }

    /// Whether this span is kept. Attributes of one that is not cost nothing.
    #[inline]
    pub fn is_recording(&self) -> bool {
        self.recording
    }

    /// Its trace.
    pub fn trace_id(&self) -> TraceId {
        self.scope.context.span().span_context().trace_id()
    }

    /// Its own id.
    pub fn span_id(&self) -> SpanId {
        self.scope.context.span().span_context().span_id()
    }

    pub(crate) fn ids(&self) -> Ids {
        Ids::of(&self.scope.context)
    }

    /// OpenTelemetry's context, in which it is current.
    #[cfg(feature = "client")]
    pub(crate) fn context(&self) -> &opentelemetry::Context {
        &self.scope.context
    }

    /// How long ago it started.
    pub fn elapsed(&self) -> Duration {
        match &self.scope.telemetry {
            Some(telemetry) => telemetry.tracer().clock.since(&self.started),
            None => Duration::ZERO,
        }
    }

    /// Who records it.
    #[cfg(feature = "llm")]
    pub(crate) fn telemetry(&self) -> Option<&Telemetry> {
        self.scope.telemetry.as_ref()
    }

    /// Its context, for those who start something that outlives this borrow.
    pub fn scope(&self) -> Scope {
        self.scope.clone()
    }

    /// Makes it the current span of this thread until the guard is dropped. For code without an
    /// `await`.
    pub fn enter(&self) -> Entered {
        self.scope.enter()
    }

    /// Runs a closure with this as the current span.
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        work()
    }

    /// Runs a future with this as the current span, in each of its polls.
    pub fn run<F: Future>(&self, future: F) -> InSpan<F> {
        Carried::new(self.scope.clone(), future)
    }

    /// Sets an attribute, under the names that are asked for. The typed spans call it with what
    /// their schema lists.
    #[doc(hidden)]
    #[inline]
    pub fn set<T: ?Sized>(&self, key: Key<T>, value: impl IntoAttribute<T>) {
        if self.recording {
            self.set_value(key.def(), value.into_attribute());
        }
    }

    /// The same for an attribute of the span's own list.
    #[doc(hidden)]
    #[inline]
    pub fn set_listed<T: ?Sized>(&self, key: &'static KeyDef, value: impl IntoAttribute<T>) {
        if self.recording {
            self.set_value(key, value.into_attribute());
        }
    }

    fn set_value(&self, key: &'static KeyDef, value: Value) {
        let Some(telemetry) = &self.scope.telemetry else {
            return;
        };
        name(telemetry, key, value, |name, value| self.put(name, value));
    }

    /// Sets an attribute of OpenTelemetry's, which has no other name and is no content.
    pub(crate) fn put_if_recording(&self, name: &'static str, value: impl FnOnce() -> Value) {
        if self.recording {
            self.put(name, value());
        }
    }

    pub(crate) fn put(&self, name: &'static str, value: Value) {
        self.scope
            .context
            .span()
            .set_attribute(KeyValue::new(name, value));
    }

    /// Says that it failed: status Error, `error.type` (a word of low cardinality) and, unless it
    /// is empty, `error.message`, cut to 100 characters.
    pub fn fail(&self, error_type: impl Into<Cow<'static, str>>, message: &str) {
        if !self.recording {
            return;
        }
        fail(&self.scope.context.span(), error_type.into(), message);
    }

    /// Says that it failed with this error: `error.type` is the name of its type.
    pub fn fail_with<E: Display + ?Sized>(&self, error: &E) {
        if self.recording {
            self.fail(type_word::<E>(), &error.to_string());
        }
    }

    /// The attributes that are known at the end are about to be set.
    #[doc(hidden)]
    pub fn finished(&mut self) {
        self.unfinished = false;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.recording {
            return;
        }
        if self.unfinished {
            for (key, presence) in self.def.attributes {
                if *presence == Presence::End {
                    self.set_value(key, nothing(key.ty));
                }
            }
        }
        let end = self.started.wall + self.elapsed();
        self.scope.context.span().end_with_timestamp(end);
    }
}

/// Takes the attributes that a span starts with.
#[doc(hidden)]
#[derive(Debug)]
pub struct First<'a> {
    telemetry: &'a Telemetry,
    attributes: &'a mut Vec<KeyValue>,
}

impl First<'_> {
    /// Sets an attribute of the span's own list, under the names that are asked for.
    #[inline]
    pub fn set_listed<T: ?Sized>(&mut self, key: &'static KeyDef, value: impl IntoAttribute<T>) {
        name(
            self.telemetry,
            key,
            value.into_attribute(),
            |name, value| self.attributes.push(KeyValue::new(name, value)),
        );
    }
}

/// Says that a span failed, to whoever holds no [`Span`].
pub(crate) fn fail(span: &SpanRef<'_>, error_type: Cow<'static, str>, message: &str) {
    let message = truncate(message, ERROR_MESSAGE_CHARS);
    span.set_status(Status::error(message.to_owned()));
    span.set_attribute(KeyValue::new(http::ERROR_TYPE.name(), error_type));
    if !message.is_empty() {
        span.set_attribute(KeyValue::new(
            http::ERROR_MESSAGE.name(),
            message.to_owned(),
        ));
    }
}

/// What an always present attribute says on a span that ended before it was known.
fn nothing(ty: AttributeType) -> Value {
    match ty {
        AttributeType::Int => Value::I64(0),
        AttributeType::Double => Value::F64(0.0),
        AttributeType::Bool => Value::Bool(false),
        AttributeType::String => Value::String("".into()),
        AttributeType::Strings => Value::Array(Array::String(Vec::new())),
    }
}

/// `reqwest::Error` → `Error`, `llasta_rag::embed::EmbedError` → `EmbedError`.
fn type_word<E: ?Sized>() -> &'static str {
    let name = std::any::type_name::<E>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}
