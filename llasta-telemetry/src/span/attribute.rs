//! What may be given as the value of an attribute.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::{Array, StringValue, Value};

use super::tracer::Names;
use crate::schema::{KeyDef, Strings, TwinForm};
use crate::telemetry::Telemetry;

/// A value for an attribute whose type is `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value for an attribute of type `{T}`",
    label = "this attribute is declared with `=> {T}` in the schema",
    note = "an attribute's type is fixed, since backends compare strictly: i64 takes an integer such as 5, f64 a float such as 5.0, bool true or false, str a `&str` or `String`, Strings a `Vec<String>`"
)]
pub trait IntoAttribute<T: ?Sized> {
    /// The value as OpenTelemetry holds it.
    fn into_attribute(self) -> Value;
}

// The compiler would list them all under every wrong value; the note above says it in one line.
macro_rules! integers {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoAttribute<i64> for $ty {
            #[inline]
            fn into_attribute(self) -> Value {
                Value::I64(self.into())
            }
        }
    )*};
}

integers!(i64 i32 u32 i16 u16 u8);

macro_rules! saturating {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl IntoAttribute<i64> for $ty {
            #[inline]
            fn into_attribute(self) -> Value {
                Value::I64(i64::try_from(self).unwrap_or(i64::MAX))
            }
        }
    )*};
}

saturating!(usize u64);

#[diagnostic::do_not_recommend]
impl IntoAttribute<f64> for f64 {
    #[inline]
    fn into_attribute(self) -> Value {
        Value::F64(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<f64> for f32 {
    #[inline]
    fn into_attribute(self) -> Value {
        Value::F64(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<bool> for bool {
    #[inline]
    fn into_attribute(self) -> Value {
        Value::Bool(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<str> for &str {
    #[inline]
    fn into_attribute(self) -> Value {
        Value::String(StringValue::from(self.to_owned()))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<str> for &String {
    fn into_attribute(self) -> Value {
        Value::String(StringValue::from(self.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<str> for String {
    fn into_attribute(self) -> Value {
        Value::String(StringValue::from(self))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<str> for Arc<str> {
    fn into_attribute(self) -> Value {
        Value::String(StringValue::from(self))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<str> for &Arc<str> {
    fn into_attribute(self) -> Value {
        Value::String(StringValue::from(self.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<str> for Cow<'_, str> {
    fn into_attribute(self) -> Value {
        Value::String(StringValue::from(self.into_owned()))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAttribute<Strings> for Vec<String> {
    fn into_attribute(self) -> Value {
        Value::Array(Array::String(
            self.into_iter().map(StringValue::from).collect(),
        ))
    }
}

/// Hands a value to `put` under each name that is asked for, and as much of it as the content
/// policy lets out.
pub(crate) fn name(
    telemetry: &Telemetry,
    key: &'static KeyDef,
    value: Value,
    mut put: impl FnMut(&'static str, Value),
) {
    let value = match value {
        Value::String(text) if key.content => match telemetry.content().apply(key, text.as_str()) {
            Some(text) => Value::String(text.into()),
            None => return,
        },
        other => other,
    };
    if key.twin.is_none() && key.was.is_none() {
        return put(key.name, value);
    }
    let names = telemetry.tracer().names;
    if let Some(other) = key.twin {
        if names != Names::Llasta
            && let Some(value) = twin(other.form, &value)
        {
            renamed(other.key, value, &mut put);
        }
        if names == Names::Otel {
            return;
        }
    }
    renamed(key, value, &mut put);
}

/// Hands a value to `put` under the key's name, and under the one it had before.
#[inline]
fn renamed(key: &'static KeyDef, value: Value, put: &mut impl FnMut(&'static str, Value)) {
    if let Some(was) = &key.was {
        put(was.name, value.clone());
    }
    put(key.name, value);
}

/// The value under its other name, when it is written there at all.
fn twin(form: TwinForm, value: &Value) -> Option<Value> {
    match form {
        TwinForm::Same => Some(value.clone()),
        TwinForm::WhenTrue => (*value == Value::Bool(true)).then(|| value.clone()),
        TwinForm::ListOfOne => match value {
            Value::String(text) => Some(Value::Array(Array::String(vec![text.clone()]))),
            _ => None,
        },
    }
}
