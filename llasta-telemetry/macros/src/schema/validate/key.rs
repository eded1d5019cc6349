//! Keys.

use std::collections::HashMap;

use syn::ext::IdentExt;

use super::{Errors, Names, attribute_name, identifier, since};
use crate::schema::parse::Schema;

const TYPES: [&str; 5] = ["i64", "f64", "str", "bool", "Strings"];

pub(super) fn check(schema: &Schema, errors: &mut Errors) {
    let namespace = schema.namespace.unraw().to_string();
    let mut names = Names::new("key");
    let mut idents = HashMap::new();
    for key in &schema.keys {
        let (name, ident) = (key.name.value(), &key.ident);
        if key.docs.is_empty() {
            let text =
                format!("`{ident}` needs a doc comment: it is the key's brief in every reference");
            errors.say(ident.span(), text);
        }
        if !TYPES.contains(&key.ty.to_string().as_str()) {
            let text = format!(
                "`{}` is no attribute type: write i64, f64, bool, str or Strings",
                key.ty
            );
            errors.say(key.ty.span(), text);
        }
        if key.content && key.ty != "str" {
            errors.say(key.ty.span(), "content is text: this key must be a str");
        }
        attribute_name(&key.name, errors);
        let within = name
            .split_once('.')
            .is_some_and(|(first, _)| first == namespace);
        if !schema.foreign && !within {
            let (_, rest) = name.split_once('.').unwrap_or(("", &name));
            let text = format!(
                "\"{name}\" lies outside of the namespace `{namespace}`: name it \"{namespace}.{rest}\", or declare it in a schema of its own (`foreign namespace …;` when others define the name)"
            );
            errors.say(key.name.span(), text);
        }
        names.take(&name, key.name.span(), &ident.to_string(), errors);
        identifier(&mut idents, ident, errors);
    }
    for key in &schema.keys {
        if let Some(was) = &key.was {
            names.take_old(&key.name.value(), was, &key.ident.to_string(), errors);
            since(was, errors);
            if was.name.value().trim().is_empty() {
                errors.say(was.name.span(), "a name cannot be empty");
            }
        }
    }
}
