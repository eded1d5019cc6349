//! The macros of `llasta-telemetry`.
//!
//! An implementation detail of that crate: depend on `llasta-telemetry`, which re-exports all
//! three and documents them where they are used.
//!
//! * [`schema!`] declares keys, spans and metrics: `schema/{parse,validate,expand}`.
//! * [`macro@LabelSet`] makes an enum the closed set of a label's values: `label.rs`.
//! * [`macro@in_span`] wraps a function in a typed span: `in_span.rs`.
//!
//! All errors of one declaration are reported together, each at the token that is wrong.

mod in_span;
mod label;
mod schema;

use proc_macro::TokenStream;

/// Declares the keys, spans and metrics of a namespace. See `llasta_telemetry::schema!`.
#[proc_macro]
pub fn schema(input: TokenStream) -> TokenStream {
    schema::expand(input.into()).into()
}

/// Makes a fieldless enum the closed set of a label's values. See `llasta_telemetry::LabelSet`.
#[proc_macro_derive(LabelSet, attributes(label))]
pub fn label_set(input: TokenStream) -> TokenStream {
    label::expand(input.into()).into()
}

/// Wraps a function in a typed span. See `llasta_telemetry::in_span`.
#[proc_macro_attribute]
pub fn in_span(arguments: TokenStream, item: TokenStream) -> TokenStream {
    in_span::expand(arguments.into(), &item.into()).into()
}
