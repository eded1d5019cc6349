//! `#[in_span(…)]`: a function that runs inside a typed span.

use proc_macro2::{TokenStream, TokenTree};
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
                __span.fail_with(error);
            }
        }
    } else {
        TokenStream::new()
    };
    // The body owns what the function was given, and borrows the span: an error is recorded on it
    // afterwards. `impl Trait` can be named neither in a closure's type nor in a binding's.
    let hidden = mentions_impl(output.clone());
    let borrow = quote! {
        #[allow(unused_variables)]
        let #span = __borrowed;
    };
    let run = match (sig.asyncness.is_some(), hidden) {
        (true, true) => quote! {
            ::llasta_telemetry::context::Carried::new(__scope, async move { #borrow #block }).await
        },
        (true, false) => quote! {
            ::llasta_telemetry::context::Carried::new(__scope, async move {
                #borrow
                let __value: #output = #block;
                __value
            }).await
        },
        (false, hidden) => {
            let output = (!hidden).then(|| quote!(-> #output));
            quote! {{
                let __entered = __scope.enter();
                (move || #output { #borrow #block })()
            }}
        }
    };
    Ok(quote! {
        #(#attrs)* #vis #sig {
            let mut __span = #start;
            let __scope = __span.scope();
            let __borrowed = &mut __span;
            let __outcome = #run;
            #record
            __outcome
        }
    })
}

fn mentions_impl(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "impl",
        TokenTree::Group(group) => mentions_impl(group.stream()),
        _ => false,
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
