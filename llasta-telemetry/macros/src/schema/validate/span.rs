//! Spans.

use std::collections::HashMap;

use quote::ToTokens;
use syn::Path;

use super::{Errors, Names, identifier, last, place, since};
use crate::schema::parse::{ParentItem, Schema, SpanItem};

const KINDS: [&str; 3] = ["internal", "server", "client"];
const PARENTS: [&str; 3] = ["server", "client", "root"];

/// The methods that every span has: an attribute of that name could not be set.
const METHODS: [&str; 18] = [
    "deref",
    "elapsed",
    "enter",
    "fail",
    "fail_with",
    "finish",
    "finished",
    "in_scope",
    "is_recording",
    "run",
    "scope",
    "set",
    "set_end",
    "set_listed",
    "span_id",
    "start",
    "start_in",
    "trace_id",
];

pub(super) fn check(schema: &Schema, errors: &mut Errors) {
    let mut names = Names::new("span");
    let keys: Vec<_> = schema.keys.iter().map(|key| &key.ident).collect();
    let mut idents = HashMap::new();
    for span in &schema.spans {
        names.take(
            &span.name.value(),
            span.name.span(),
            &span.ident.to_string(),
            errors,
        );
        identifier(&mut idents, &span.ident, errors);
        self::span(span, errors);
        let listed = span.start.iter().chain(&span.end).chain(&span.optional);
        for path in listed.chain(span.twins.iter().map(|(path, _)| path)) {
            capitals(path, &keys, errors);
        }
    }
    for block in &schema.metrics {
        identifier(&mut idents, &block.ident, errors);
    }
    for span in &schema.spans {
        if let Some(was) = &span.was {
            names.take_old(&span.name.value(), was, &span.ident.to_string(), errors);
            since(was, errors);
        }
    }
}

fn span(span: &SpanItem, errors: &mut Errors) {
    if span.docs.is_empty() {
        let text = format!(
            "`{}` needs a doc comment: it is the span's brief in every reference",
            span.ident
        );
        errors.say(span.ident.span(), text);
    }
    if !KINDS.contains(&span.kind.to_string().as_str()) {
        let text = format!(
            "`{}` is no span kind: write internal, server or client",
            span.kind
        );
        errors.say(span.kind.span(), text);
    }
    for parent in &span.parents {
        if let ParentItem::Kind(kind) = parent
            && !PARENTS.contains(&kind.to_string().as_str())
        {
            let text = format!(
                "`{kind}` is no parent: write server, client, root or the name of a span in quotes"
            );
            errors.say(kind.span(), text);
        }
    }
    let mut seen: HashMap<String, &Path> = HashMap::new();
    for path in span.start.iter().chain(&span.end).chain(&span.optional) {
        let Some(ident) = last(path) else { continue };
        if let Some(first) = seen.insert(ident.clone(), path) {
            let (one, other) = (text(first), text(path));
            let text = if one == other {
                format!("`{one}` is listed twice on this span")
            } else {
                format!(
                    "`{one}` and `{other}` would be the same argument `{}`: rename one of the two keys",
                    ident.to_lowercase()
                )
            };
            errors.say(place(path), text);
        }
    }
    for path in &span.optional {
        let Some(ident) = last(path) else { continue };
        let method = ident.to_lowercase();
        if METHODS.contains(&method.as_str()) {
            let text = format!(
                "`{method}` is a method of every span: give the key `{ident}` another name in Rust, what it is called on the wire may stay"
            );
            errors.say(place(path), text);
        }
    }
}

/// Whatever else has a name, such as a type, would be told by the compiler at great length.
fn capitals(path: &Path, keys: &[&syn::Ident], errors: &mut Errors) {
    let Some(ident) = last(path) else { return };
    let declared = path.get_ident().is_some_and(|ident| keys.contains(&ident));
    if !declared && ident.contains(|c: char| c.is_ascii_lowercase()) {
        let text = format!(
            "`{}` is no key: write the constant of one, such as `AMOUNT` or `rag::TOP_K`",
            text(path)
        );
        errors.say(place(path), text);
    }
}

fn text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}
