//! A JSON Schema of what is captured: spans, and log lines.
//!
//! It sees one span at a time, so it knows no parents. JSON has one kind of number: a double
//! that should be an int is seen unless it is whole, an int that should be a double is not.

use serde_json::{Map, Value, json};

use super::{borrowed, version};
use crate::schema::http::{ERROR_MESSAGE, ERROR_TYPE};
use crate::schema::resource::SERVICE_NAME;
use crate::schema::{AttributeType, KeyDef, Kind, Presence, Schema, SpanDef};

/// The methods that a span of HTTP is named by, `HTTP` among them for those that are none.
const METHODS: &str = "GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|HTTP|_OTHER";

/// Writes a JSON Schema, draft 2020-12, that a captured span or a log line is valid under: a span
/// as `CapturedSpan` and `llasta demo --json` write it. `#/$defs/span` and `#/$defs/log_line` can
/// be used by themselves.
///
/// By a span's name it knows the kind, the types of attributes, which are always there and which
/// may be there at all; of a name in braces it knows the kind. Attributes are expected under the
/// schema's own names, with or without OpenTelemetry's beside them.
pub fn json_schema(schema: &Schema) -> String {
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("https://llasta.dev/schemas/{}/telemetry.schema.json", version(schema)),
        "title": "A captured span or a log line",
        "if": { "type": "object", "required": ["timestamp"] },
        "then": { "$ref": "#/$defs/log_line" },
        "else": { "$ref": "#/$defs/span" },
        "$defs": definitions(schema),
    });
    let text = serde_json::to_string_pretty(&document);
    // Texts and maps of them: nothing that could not be written.
    text.unwrap_or_default() + "\n"
}

fn definitions(schema: &Schema) -> Value {
    let mut all = Map::new();
    all.insert("attributes".into(), attributes(schema));
    all.insert("log_line".into(), log_line());
    all.insert("span".into(), span(schema));
    for def in schema.spans() {
        all.insert(key_of(def), one_span(schema, def));
    }
    all.into()
}

fn key_of(def: &SpanDef) -> String {
    // A slash or a tilde would have to be escaped in a reference, and a brace in an address.
    let name = def.name.replace(['{', '}', '/', '~', ' '], "_");
    format!("span.{name}")
}

/// The type of every key there is.
fn attributes(schema: &Schema) -> Value {
    let mut properties = Map::new();
    for key in schema.keys().chain(borrowed(schema)) {
        let mut form = value(key);
        if key.name == ERROR_MESSAGE.name() {
            form["maxLength"] = json!(100);
        }
        properties.insert(key.name.to_owned(), form);
        if let Some(was) = key.was {
            properties.insert(was.name.to_owned(), value(key));
        }
    }
    json!({ "type": "object", "properties": properties })
}

fn value(key: &KeyDef) -> Value {
    let mut form = match key.ty {
        AttributeType::Int => json!({ "type": "integer" }),
        AttributeType::Double => json!({ "type": "number" }),
        AttributeType::String => json!({ "type": "string" }),
        AttributeType::Bool => json!({ "type": "boolean" }),
        AttributeType::Strings => json!({ "type": "array", "items": { "type": "string" } }),
    };
    form["description"] = json!(key.brief);
    if key.deprecated.is_some() {
        form["deprecated"] = json!(true);
    }
    form
}

/// Any span: its own fields, and what its name or its kind says.
fn span(schema: &Schema) -> Value {
    let mut rules = vec![json!({
        "if": { "properties": { "status": { "const": "error" } } },
        "then": { "properties": { "attributes": { "required": [ERROR_TYPE.name()] } } },
    })];
    for def in schema.spans() {
        let then = json!({ "$ref": format!("#/$defs/{}", key_of(def)) });
        rules.push(json!({ "if": is(def), "then": then }));
    }
    let id =
        |digits: u32| json!({ "type": "string", "pattern": format!("^[0-9a-f]{{{digits}}}$") });
    json!({
        "type": "object",
        "properties": {
            "trace_id": id(32),
            "span_id": id(16),
            "parent_span_id": { "anyOf": [id(16), { "type": "null" }] },
            "name": { "type": "string", "minLength": 1 },
            "kind": { "enum": ["SERVER", "CLIENT", "INTERNAL", "PRODUCER", "CONSUMER", "UNSPECIFIED"] },
            "service": { "type": "string", "minLength": 1 },
            "start_unix_nano": { "type": "integer", "minimum": 0 },
            "duration_ms": { "type": "number", "minimum": 0 },
            "status": { "enum": ["unset", "ok", "error"] },
            "attributes": { "$ref": "#/$defs/attributes" },
        },
        "required": [
            "trace_id", "span_id", "parent_span_id", "name", "kind", "service", "start_unix_nano",
            "duration_ms", "status", "attributes",
        ],
        "additionalProperties": false,
        "allOf": rules,
    })
}

/// What tells that a span is meant by a declaration.
fn is(def: &SpanDef) -> Value {
    if !def.name.contains('{') {
        let mut names = vec![def.name];
        names.extend(def.was.map(|was| was.name));
        return json!({ "properties": { "name": { "enum": names } } });
    }
    // A name in braces stands for many: those of the kind that begin with a method or bear an
    // attribute that only they have.
    let bears = format!("^({})\\.", prefixes(def).join("|"));
    json!({
        "properties": { "kind": { "const": def.kind.name() } },
        "anyOf": [
            { "properties": { "name": { "pattern": format!("^({METHODS})( |$)") } } },
            { "properties": { "attributes": { "not": { "propertyNames": { "not": { "pattern": bears } } } } } },
        ],
    })
}

/// The namespaces of the attributes that stand in a name in braces.
fn prefixes(def: &SpanDef) -> Vec<&str> {
    let mut all: Vec<_> = def
        .name
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split(['.', '}']).next())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn one_span(schema: &Schema, def: &SpanDef) -> Value {
    let required: Vec<_> = def
        .attributes
        .iter()
        .filter(|(_, presence)| *presence != Presence::Optional)
        .map(|(key, _)| key.name)
        .collect();
    let mut properties = Map::new();
    for (key, value) in def.twins {
        properties.insert(key.name.to_owned(), json!({ "const": value }));
    }
    if def.kind == Kind::Internal {
        // A collector would rename a span that bears the method.
        let method = crate::schema::http::REQUEST_METHOD.name();
        properties.insert(method.to_owned(), json!(false));
    }
    let mut attributes = json!({ "required": required, "properties": properties });
    if let Some(owned) = owned(schema) {
        let names = def.attributes.iter().flat_map(|(key, _)| {
            let before = key.was.map(|was| was.name);
            [Some(key.name), before].into_iter().flatten()
        });
        let names: Vec<_> = names.filter(|name| schema.owns(name)).collect();
        let other = json!({ "not": { "pattern": owned } });
        attributes["propertyNames"] = json!({ "anyOf": [other, { "enum": names }] });
        if names.is_empty() {
            attributes["propertyNames"] = other;
        }
    }
    json!({
        "description": def.brief,
        "properties": {
            "kind": { "const": def.kind.name() },
            "attributes": attributes,
        },
    })
}

/// What the names begin with that nobody else defines.
fn owned(schema: &Schema) -> Option<String> {
    let own = schema.namespaces().iter();
    let names: Vec<_> = own
        .filter(|namespace| !namespace.foreign)
        .map(|namespace| namespace.name)
        .collect();
    (!names.is_empty()).then(|| format!("^({})\\.", names.join("|")))
}

fn log_line() -> Value {
    let id = |digits: u32| json!({ "type": "string", "pattern": format!("^(?!0+$)[0-9a-f]{{{digits}}}$") });
    let mut properties = Map::new();
    properties.insert(
        "timestamp".into(),
        json!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z$",
        }),
    );
    properties.insert(
        "level".into(),
        json!({ "enum": ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"] }),
    );
    properties.insert("target".into(), json!({ "type": "string", "minLength": 1 }));
    properties.insert("message".into(), json!({ "type": "string" }));
    properties.insert(
        SERVICE_NAME.name().into(),
        json!({ "type": "string", "minLength": 1 }),
    );
    properties.insert("trace_id".into(), id(32));
    properties.insert("span_id".into(), id(16));
    json!({
        "description": "One line of standard output.",
        "type": "object",
        "properties": properties,
        "required": ["timestamp", "level", "target", "message", SERVICE_NAME.name()],
        "dependentRequired": { "trace_id": ["span_id"], "span_id": ["trace_id"] },
    })
}
