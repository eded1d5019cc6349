//! Keys.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{option, was};
use crate::schema::parse::KeyItem;

pub(super) fn key(key: &KeyItem) -> TokenStream {
    let KeyItem {
        docs,
        ident,
        name,
        ty,
        content,
        development,
        unit,
        twin,
        examples,
        was,
        deprecated,
    } = key;
    let stability = if *development {
        quote!(Development)
    } else {
        quote!(Stable)
    };
    let (rust, variant) = match ty.to_string().as_str() {
        "i64" => (quote!(i64), quote!(Int)),
        "f64" => (quote!(f64), quote!(Double)),
        "bool" => (quote!(bool), quote!(Bool)),
        "str" => (quote!(str), quote!(String)),
        _ => (quote!(::llasta_telemetry::schema::Strings), quote!(Strings)),
    };
    let unit = option(unit.as_ref().map(|unit| quote!(#unit)));
    let twin = twin.as_ref().map_or_else(
        || option(None),
        |twin| {
            quote_spanned! {twin.span()=> {
                const __TWIN: &::llasta_telemetry::schema::TwinDef = #twin;
                ::core::option::Option::Some(__TWIN)
            }}
        },
    );
    let was = self::was(was.as_ref());
    let deprecated = option(deprecated.as_ref().map(|advice| quote!(#advice)));
    let doc = format!("`{}`: {docs}", name.value());
    // At the key itself: the compiler suggests only names that stand elsewhere than the mistake.
    let constant = quote_spanned! {ident.span()=>
        pub const #ident: ::llasta_telemetry::schema::Key<#rust>
    };
    let marker = quote_spanned!(ident.span()=> pub enum #ident {});
    quote! {
        #[doc = #doc]
        #[allow(unreachable_pub)]
        #constant = ::llasta_telemetry::schema::Key::new(&::llasta_telemetry::schema::KeyDef {
            name: #name,
            ty: ::llasta_telemetry::schema::AttributeType::#variant,
            brief: #docs,
            unit: #unit,
            stability: ::llasta_telemetry::schema::Stability::#stability,
            content: #content,
            twin: #twin,
            examples: &[#(#examples),*],
            was: #was,
            deprecated: #deprecated,
        });
        #[doc(hidden)]
        #[allow(
            non_camel_case_types, dead_code, missing_debug_implementations, unreachable_pub,
            clippy::upper_case_acronyms
        )]
        #marker
        #[diagnostic::do_not_recommend]
        impl ::llasta_telemetry::schema::KeyType for #ident {
            type Value = #rust;
            const DEF: &'static ::llasta_telemetry::schema::KeyDef = #ident.def();
        }
    }
}
