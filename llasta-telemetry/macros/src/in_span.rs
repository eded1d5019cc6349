//! `#[in_span(…)]`: a function that runs inside a typed span.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, Expr, ItemFn, Result, ReturnType, Type};

pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    wrap(arguments, item.clone()).unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote!(#error #item)
    })
}

fn wrap(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if arguments.is_empty() {
        return Err(Error::new(
            proc_macro2::Span::call_site(),
            "name the span to start, with its required attributes: #[in_span(BuildContext::start(chunks.len(), limit))]",
        ));
    }
    let start: Expr = syn::parse2(arguments)?;
    let ItemFn {
        attrs,
        vis,
        sig,
        block,
    } = syn::parse2(item)?;
    if let Some(constness) = sig.constness {
        return Err(Error::new_spanned(
            constness,
            "a const function cannot start a span",
        ));
    }
    // The body sees the span by this name. It is the caller's identifier on purpose.
    let span = format_ident!("span", span = proc_macro2::Span::call_site());
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    let record = if returns_result(&sig.output) {
        quote! {
            if let ::core::result::Result::Err(error) = &__outcome {
                #span.fail_with(error);
            }
        }
    } else {
        TokenStream::new()
    };
    let run = if sig.asyncness.is_some() {
        let body = match &sig.output {
            ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)) => quote!(async #block),
            _ => quote!(async { let __value: #output = #block; __value }),
        };
        quote!(#span.run(#body).await)
    } else {
        quote!(#span.in_scope(|| -> #output #block))
    };
    Ok(quote! {
        #(#attrs)* #vis #sig {
            let #span = #start;
            let __outcome = #run;
            #record
            __outcome
        }
    })
}

fn returns_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    let Type::Path(path) = &**ty else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "Result")
}
