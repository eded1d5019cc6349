//! `#[derive(LabelSet)]`: the variants of a fieldless enum are all the values a label can have.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result, Variant};

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    syn::parse2::<DeriveInput>(input)
        .and_then(|input| derive(&input))
        .unwrap_or_else(|error| error.to_compile_error())
}

fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "a label set is an enum: its variants are all the values the label can have",
        ));
    };
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a label set needs at least one value",
        ));
    }
    let mut errors: Option<Error> = None;
    let mut values: Vec<(String, &Variant)> = Vec::new();
    for variant in &data.variants {
        match value(variant) {
            Err(error) => crate::schema::collect(&mut errors, error),
            Ok(value) => {
                if let Some((_, first)) = values.iter().find(|(other, _)| *other == value) {
                    let text = format!(
                        "`{}` has the label value \"{value}\" already: give this one another with #[label(\"…\")]",
                        first.ident
                    );
                    crate::schema::collect(&mut errors, Error::new_spanned(variant, text));
                }
                values.push((value, variant));
            }
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let name = &input.ident;
    let texts = values.iter().map(|(value, _)| value);
    let arms = values.iter().enumerate().map(|(index, (_, variant))| {
        let ident = &variant.ident;
        quote!(Self::#ident => #index)
    });
    Ok(quote! {
        impl ::llasta_telemetry::schema::LabelSet for #name {
            const VALUES: &'static [&'static str] = &[#(#texts),*];
            #[inline]
            fn index(self) -> usize {
                match self { #(#arms),* }
            }
        }
    })
}

/// The label value of a variant: what `#[label("…")]` says, or its name in snake case.
fn value(variant: &Variant) -> Result<String> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(
            variant,
            "a label value carries no data: a field would let values in that nobody has listed",
        ));
    }
    for attribute in &variant.attrs {
        if attribute.path().is_ident("label") {
            return Ok(attribute.parse_args::<LitStr>()?.value());
        }
    }
    Ok(snake_case(&variant.ident.unraw().to_string()))
}

/// `NotYet` → `not_yet`, `HTTPError` → `http_error`.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut text = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_small = at > 0 && !letters[at - 1].is_uppercase();
        let ends_acronym = at > 0 && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_small || ends_acronym) {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
