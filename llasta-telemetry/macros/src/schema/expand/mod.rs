//! The Rust of a checked declaration.
//!
//! A key becomes two items of one name: a constant, which callers use, and a type, which spans use:
//! it knows the type of the key's values, so that a span can list a key of any module. Since a span
//! names its keys in one way only, the compiler says once, and with the right spelling, that there
//! is no such key.
//!
//! What is written stands at the token it was written for, so that a message about a wrong argument
//! shows the line of the declaration and not all of it. Lints take it for the user's own then, so
//! those are off that it cannot meet.

mod key;
mod metrics;
mod span;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;

use super::parse::{OwnerItem, Schema, WasItem};

pub(super) fn schema(schema: &Schema) -> TokenStream {
    let keys = schema.keys.iter().map(key::key);
    let spans = schema.spans.iter().map(span::span);
    let metrics = schema.metrics.iter().map(metrics::block);

    let name = schema.namespace.unraw().to_string();
    let brief = &schema.docs;
    let foreign = schema.foreign;
    let key_names = schema.keys.iter().map(|key| &key.ident);
    let span_names = schema.spans.iter().map(|span| &span.ident);
    let metric_sets = schema.metrics.iter().map(|block| &block.ident);
    let owner = match &schema.owner {
        OwnerItem::Anyone => quote!(Anyone),
        OwnerItem::Everyone => quote!(Everyone),
        OwnerItem::Service(name) => quote!(Service(#name)),
    };
    let namespace = quote_spanned! {schema.namespace.span()=>
        /// Everything this module declares, for the registry.
        #[allow(unreachable_pub)]
        pub static NAMESPACE: ::llasta_telemetry::schema::Namespace
    };
    quote! {
        #(#keys)*
        #(#spans)*
        #(#metrics)*

        #namespace = ::llasta_telemetry::schema::Namespace {
            name: #name,
            brief: #brief,
            foreign: #foreign,
            keys: &[#(#key_names.def()),*],
            spans: &[#(#span_names::DEF),*],
            metrics: &[#(#metric_sets::DEFS),*],
            owner: ::llasta_telemetry::schema::Owner::#owner,
            version: ::core::env!("CARGO_PKG_VERSION"),
            declared_at: ::core::concat!(::core::file!(), ":", ::core::line!()),
        };
    }
}

/// An identifier of this name, raw when the name is a keyword.
fn identifier(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(_) => Ident::new(name, span),
        Err(_) => Ident::new_raw(name, span),
    }
}

fn was(was: Option<&WasItem>) -> TokenStream {
    option(was.map(|WasItem { name, since }| {
        quote!(::llasta_telemetry::schema::Was { name: #name, since: #since })
    }))
}

fn option(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(
        || quote!(::core::option::Option::None),
        |value| quote!(::core::option::Option::Some(#value)),
    )
}
