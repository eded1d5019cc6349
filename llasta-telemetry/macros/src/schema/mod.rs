//! `schema!`: parse what is written, check it as a whole, then write the Rust for it.

mod expand;
mod parse;
mod validate;

use proc_macro2::TokenStream;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut schema = match syn::parse2::<parse::Schema>(input) {
        Ok(schema) => schema,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = schema.errors.take();
    if let Some(breaches) = validate::check(&schema) {
        collect(&mut errors, breaches);
    }
    match errors {
        Some(errors) => errors.to_compile_error(),
        None => expand::schema(&schema),
    }
}

/// Adds an error to those found so far: a declaration reports all of them at once.
pub(crate) fn collect(errors: &mut Option<syn::Error>, error: syn::Error) {
    match errors {
        Some(all) => all.combine(error),
        None => *errors = Some(error),
    }
}
