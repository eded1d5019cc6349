//! What must hold of a declaration as a whole. Every breach is reported, not only the first.

mod key;
mod metric;
mod span;

use std::collections::HashMap;

use proc_macro2::Span;
use syn::{Error, LitStr, Path};

use super::collect;
use super::parse::{Schema, WasItem};

/// Collects what is wrong.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn say(&mut self, at: Span, text: impl std::fmt::Display) {
        collect(&mut self.0, Error::new(at, text));
    }
}

pub(super) fn check(schema: &Schema) -> Option<Error> {
    let mut errors = Errors::default();
    key::check(schema, &mut errors);
    span::check(schema, &mut errors);
    metric::check(schema, &mut errors);
    errors.0
}

/// Names of one kind, such as those of all keys, each with what it belongs to.
struct Names {
    what: &'static str,
    taken: HashMap<String, String>,
}

impl Names {
    fn new(what: &'static str) -> Self {
        let taken = HashMap::new();
        Self { what, taken }
    }

    /// Takes a name for `owner`, or says who has it already.
    fn take(&mut self, name: &str, at: Span, owner: &str, errors: &mut Errors) {
        if let Some(first) = self.taken.get(name) {
            let what = self.what;
            errors.say(
                at,
                format!("the {what} \"{name}\" is declared twice: `{first}` has it already"),
            );
        } else {
            self.taken.insert(name.to_owned(), owner.to_owned());
        }
    }

    /// The same for the name that something had before; all present names are taken by then.
    fn take_old(&mut self, name: &str, was: &WasItem, owner: &str, errors: &mut Errors) {
        let old = was.name.value();
        if old == name {
            errors.say(
                was.name.span(),
                format!("\"{old}\" is what it is called now: write the name it had before"),
            );
        } else if let Some(first) = self.taken.get(&old) {
            let what = self.what;
            errors.say(
                was.name.span(),
                format!("`{first}` is the {what} \"{old}\": two cannot be emitted under one name"),
            );
        } else {
            self.taken.insert(old, owner.to_owned());
        }
    }
}

/// The version in which something was renamed.
fn since(was: &WasItem, errors: &mut Errors) {
    let text = was.since.value();
    let parts: Vec<_> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    if parts.len() != 3 || !parts.iter().all(number) {
        errors.say(
            was.since.span(),
            format!("\"{text}\" is no version: write the one that renamed it, such as \"0.2.0\""),
        );
    }
}

/// Attribute names are lower case, in segments joined by dots.
fn attribute_name(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    let good = !text.is_empty()
        && text.split('.').all(|segment| {
            !segment.is_empty()
                && segment
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        });
    if !good {
        let text = format!(
            "\"{text}\" is no attribute name: lower-case words joined by dots, such as \"billing.amount\""
        );
        errors.say(name.span(), text);
    }
}

/// What an item is called in Rust: two of one name would not compile, with a message that shows
/// what the macro wrote.
fn identifier<'a>(
    taken: &mut HashMap<String, &'a syn::Ident>,
    ident: &'a syn::Ident,
    errors: &mut Errors,
) {
    if taken.insert(ident.to_string(), ident).is_some() {
        errors.say(
            ident.span(),
            format!("`{ident}` is declared twice: give this one another name"),
        );
    }
}

/// Where a path names what it names.
pub(super) fn place(path: &Path) -> Span {
    path.segments
        .last()
        .map_or_else(Span::call_site, |segment| segment.ident.span())
}

pub(super) fn last(path: &Path) -> Option<String> {
    path.segments
        .last()
        .map(|segment| segment.ident.to_string())
}
