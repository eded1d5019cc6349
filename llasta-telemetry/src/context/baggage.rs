//! W3C baggage: what travels beside the ids, such as the session a request belongs to.
//!
//! Entries live in OpenTelemetry's own [`Baggage`] in the current
//! [`Context`], so any OpenTelemetry library sees them. All of them go on
//! to every neighbour that a request is sent to. Those on the allow-list of the
//! [`Telemetry`] also become attributes of each span and fields of each log line
//! under them; by default these are `session.id` and `gen_ai.conversation.id`.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::baggage::{Baggage, BaggageExt, BaggageMetadata};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, Key, KeyValue, StringValue, Value};

use super::Scope;
use crate::content::truncate;
use crate::error::Error;
use crate::schema::{Schema, otel};
use crate::telemetry::Telemetry;

/// The header that carries the entries.
pub const BAGGAGE: &str = "baggage";

/// As many entries, and as many bytes of header, as the recommendation asks everybody to carry.
/// OpenTelemetry's type holds no more.
const MOST_MEMBERS: usize = 64;
const MOST_BYTES: usize = 8192;

/// Most Unicode scalar values of an entry that are recorded: a caller from outside cannot fill
/// spans and logs.
const MOST_RECORDED: usize = 256;

/// What the log line itself says: an entry of such a name would say it twice.
const LINE_FIELDS: [&str; 6] = [
    "timestamp",
    "level",
    "target",
    "message",
    "trace_id",
    "span_id",
];

/// Reads the `baggage` headers of a request, one or several. `None` when they hold no entry.
///
/// A member that breaks the rules is skipped, and so is everything beyond 64 members or 8192
/// bytes. Properties are kept and passed on as they are; of two members with one name the last
/// counts.
///
/// ```
/// use llasta_telemetry::context::baggage;
///
/// let read = baggage::parse([b"session.id=s%2017;ttl=60, broken".as_slice()]).unwrap();
/// assert_eq!(read.get("session.id").unwrap().as_str(), "s 17");
/// assert_eq!(read.len(), 1);
/// ```
pub fn parse<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Option<Baggage> {
    let mut read: Option<Baggage> = None;
    let (mut members, mut bytes) = (0, 0);
    for member in headers
        .into_iter()
        .flat_map(|header| header.split(|byte| *byte == b','))
    {
        members += 1;
        // The comma that parts it from the one before counts too.
        bytes += member.len() + usize::from(members > 1);
        if members > MOST_MEMBERS || bytes > MOST_BYTES {
            break;
        }
        if let Some((key, value, properties)) = parts(member) {
            read.get_or_insert_default().insert_with_metadata(
                key.to_owned(),
                // Counted references: a clone for each span costs no allocation.
                Arc::<str>::from(value),
                BaggageMetadata::from(properties),
            );
        }
    }
    read.filter(|read| !read.is_empty())
}

/// Name, decoded value and properties of one member.
fn parts(member: &[u8]) -> Option<(&str, Cow<'_, str>, &str)> {
    let member = std::str::from_utf8(member).ok()?;
    if !member
        .bytes()
        .all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
    {
        return None;
    }
    let (pair, properties) = member.split_once(';').unwrap_or((member, ""));
    let (key, value) = pair.split_once('=')?;
    let (key, value) = (key.trim_ascii(), value.trim_ascii());
    if !is_token(key) {
        return None;
    }
    Some((key, decode(value)?, properties.trim_ascii()))
}

/// Whether a text can be the name of an entry: a token of HTTP.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Bytes that are no UTF-8 are replaced, as the recommendation says.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    if value
        .bytes()
        .any(|byte| matches!(byte, b'\t' | b' ' | b'"' | b'\\'))
    {
        return None;
    }
    if !value.contains('%') {
        return Some(Cow::Borrowed(value));
    }
    let bytes = percent_decoded(value)?;
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The bytes of a text in which a percent sign and two hex digits stand for one; `None` when they do
/// not.
pub(crate) fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

/// Writes the `baggage` header, members in the order of their names. `None` when there is nothing
/// to say. A member with which the header would be longer than 8192 bytes is left out.
///
/// ```
/// use llasta_telemetry::context::baggage;
///
/// let read = baggage::parse([b"b=2;p=1,a=x%20y".as_slice()]).unwrap();
/// assert_eq!(baggage::format(&read).unwrap(), "a=x%20y,b=2;p=1");
/// ```
pub fn format(baggage: &Baggage) -> Option<String> {
    if baggage.is_empty() {
        return None;
    }
    let mut members: Vec<_> = baggage.iter().collect();
    members.sort_unstable_by_key(|(key, _)| *key);
    let mut header = String::with_capacity(32 * members.len());
    for (key, (value, properties)) in members {
        let before = header.len();
        if before > 0 {
            header.push(',');
        }
        header.push_str(key.as_str());
        header.push('=');
        encode(value.as_str(), &mut header);
        let properties = properties.as_str();
        // They may come from other code than `parse`: what no header may hold, and what would
        // begin another member, stays behind.
        if !properties.is_empty()
            && properties
                .bytes()
                .all(|byte| matches!(byte, b'\t' | b' '..=b'~') && byte != b',')
        {
            header.push(';');
            header.push_str(properties);
        }
        if header.len() > MOST_BYTES {
            header.truncate(before);
        }
    }
    Some(header).filter(|header| !header.is_empty())
}

/// Everything but RFC 3986's unreserved characters as percent sign and two digits: what no
/// decoder takes for something else.
fn encode(value: &str, header: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            header.push(char::from(byte));
        } else {
            header.push('%');
            header.push(char::from(DIGITS[usize::from(byte >> 4)]));
            header.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The current context with more entries: for what is known only inside a handler, such as the
/// conversation that the request's body names. An entry of the same name is replaced; a name that
/// is no token of HTTP, or that finds no room, is left out.
///
/// Spans and log lines in the scope get the entries that are on the allow-list, and so does the
/// current span.
///
/// ```
/// use llasta_telemetry::context::{Carried, with_baggage};
/// use llasta_telemetry::schema::otel;
///
/// # async fn answer() {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let scope = with_baggage([(otel::CONVERSATION_ID.name(), "c-17")]);
/// Carried::new(scope, answer()).await;
/// # }
/// ```
pub fn with_baggage<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Scope
where
    K: Into<Key>,
    V: Into<Arc<str>>,
{
    let mut scope = Scope::current();
    let mut baggage = Baggage::new();
    for (key, (value, properties)) in scope.context.baggage() {
        baggage.insert_with_metadata(key.clone(), value.clone(), properties.clone());
    }
    let entries = entries.into_iter();
    let added: Vec<Key> = entries
        .map(|(key, value)| {
            let key = key.into();
            baggage.insert(key.clone(), value.into());
            key
        })
        .collect();
    scope.context = scope.context.with_baggage(baggage);
    Telemetry::with_current(|telemetry| {
        for (key, value) in recorded(&scope.context, telemetry.baggage_keys()) {
            if added.contains(key) {
                scope.context.span().set_attribute(attribute(key, &value));
            }
        }
    });
    scope
}

/// The entries of a context that are recorded. Costs next to nothing without baggage.
#[inline]
pub(crate) fn recorded<'a>(
    context: &'a Context,
    keys: &'a [Key],
) -> impl Iterator<Item = (&'a Key, Cow<'a, StringValue>)> {
    let baggage = context.baggage();
    let keys = if baggage.is_empty() { &[] } else { keys };
    keys.iter()
        .filter_map(move |key| Some((key, cut(baggage.get(key.as_str())?))))
}

fn cut(value: &StringValue) -> Cow<'_, StringValue> {
    let text = value.as_str();
    match truncate(text, MOST_RECORDED) {
        whole if whole.len() == text.len() => Cow::Borrowed(value),
        cut => Cow::Owned(cut.to_owned().into()),
    }
}

/// An entry as an attribute.
pub(crate) fn attribute(key: &Key, value: &StringValue) -> KeyValue {
    KeyValue::new(key.clone(), Value::String(value.clone()))
}

/// Which entries are recorded when nobody says otherwise.
pub(crate) fn default_keys() -> Box<[Key]> {
    [otel::SESSION_ID, otel::CONVERSATION_ID]
        .map(|key| Key::from_static_str(key.name()))
        .into()
}

/// An allow-list that somebody wrote.
///
/// # Errors
///
/// A name that no entry can have, or that says something else on a span or a line.
#[cfg(feature = "otlp")]
pub(crate) fn allow_list(
    names: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
) -> Result<Box<[Key]>, Error> {
    let schema = Schema::contract();
    let known = default_keys();
    let mut keys: Vec<Key> = Vec::new();
    for name in names {
        let name = name.into();
        if !is_token(&name) {
            return Err(Error::config(format!(
                "`{name}` cannot be the name of a baggage entry: use letters, digits and !#$%&'*+-.^_`|~"
            )));
        }
        let is_known = known.iter().any(|key| key.as_str() == name);
        let says_else =
            schema.key(&name).is_some() || schema.owns(&name) || LINE_FIELDS.contains(&&*name);
        if says_else && !is_known {
            return Err(Error::config(format!(
                "`{name}` cannot be taken from baggage: this telemetry uses the name itself, choose another"
            )));
        }
        let key = match name {
            Cow::Borrowed(name) => Key::from_static_str(name),
            Cow::Owned(name) => Key::from(Arc::<str>::from(name)),
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys.into())
}
