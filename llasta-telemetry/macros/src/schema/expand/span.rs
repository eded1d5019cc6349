//! Typed spans.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Path;

use super::{identifier, option, was};
use crate::schema::parse::{ParentItem, SpanItem};
use crate::schema::validate::{last, place};

pub(super) fn span(span: &SpanItem) -> TokenStream {
    let SpanItem {
        docs, ident, name, ..
    } = span;
    let here = ident.span();
    // A key may have these names too.
    let telemetry = Ident::new("telemetry", Span::mixed_site().located_at(here));
    let definition = definition(span);
    let starts: Vec<_> = span.start.iter().map(Argument::new).collect();
    let declared: Vec<_> = starts.iter().map(Argument::declaration).collect();
    let names: Vec<_> = starts.iter().map(|argument| &argument.name).collect();
    let sets = starts.iter().enumerate().map(|(at, one)| one.set(at));

    let optional = span.start.len() + span.end.len();
    let setters = span.optional.iter().enumerate().map(|(at, path)| {
        let argument = Argument::new(path);
        let (name, declaration) = (&argument.name, argument.declaration());
        let set = argument.set(optional + at);
        let doc = format!(
            "Sets [`{}`].",
            path.to_token_stream().to_string().replace(' ', "")
        );
        let signature = quote_spanned! {name.span()=>
            pub fn #name(&self, #declaration) -> &Self
        };
        quote! {
            #[doc = #doc]
            #signature {
                let __span = &self.0;
                #set
                self
            }
        }
    });
    let finish = finish(span);
    let doc = format!("`{}`: {docs}", name.value());
    let start_doc = format!("Starts `{}` under the current span.", name.value());
    let structure = quote_spanned!(here=> pub struct #ident(::llasta_telemetry::span::Span););
    let start = quote_spanned!(here=> pub fn start(#(#declared),*) -> Self);
    let start_in = quote_spanned! {here=>
        pub fn start_in(#telemetry: &::llasta_telemetry::Telemetry, #(#declared),*) -> Self
    };
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        #[must_use = "a span ends when it is dropped: bind it to a name"]
        #[allow(unreachable_pub)]
        #structure

        #[allow(unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery)]
        impl #ident {
            /// What the schema says of this span.
            pub const DEF: &'static ::llasta_telemetry::schema::SpanDef = &#definition;

            #[doc = #start_doc]
            #start {
                ::llasta_telemetry::Telemetry::with_current(|#telemetry| Self::start_in(#telemetry, #(#names),*))
            }

            /// The same, recorded by the given [`Telemetry`](::llasta_telemetry::Telemetry).
            #start_in {
                Self(::llasta_telemetry::span::Span::start(#telemetry, Self::DEF, |__span| {
                    let _ = &__span;
                    #(#sets)*
                }))
            }

            #(#setters)*
            #finish
        }

        impl ::core::ops::Deref for #ident {
            type Target = ::llasta_telemetry::span::Span;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    }
}

/// What the schema says of a span. Its attributes are listed in the order in which
/// [`Argument::set`] counts them.
fn definition(span: &SpanItem) -> TokenStream {
    let SpanItem {
        docs, name, kind, ..
    } = span;
    let kind = capitalised(kind);
    let parents = span.parents.iter().map(|parent| match parent {
        ParentItem::Kind(kind) => {
            let kind = capitalised(kind);
            quote!(::llasta_telemetry::schema::Parent::#kind)
        }
        ParentItem::Span(name) => quote!(::llasta_telemetry::schema::Parent::Span(#name)),
    });
    let listed = [
        (&span.start, "Start"),
        (&span.end, "End"),
        (&span.optional, "Optional"),
    ];
    let attributes = listed.into_iter().flat_map(|(paths, presence)| {
        let presence = Ident::new(presence, Span::call_site());
        paths.iter().map(move |path| {
            let def = def(path);
            quote!((#def, ::llasta_telemetry::schema::Presence::#presence))
        })
    });
    let twins = span.twins.iter().map(|(path, value)| {
        let def = def(path);
        quote!((#def, #value))
    });
    let was = was(span.was.as_ref());
    let deprecated = option(span.deprecated.as_ref().map(|advice| quote!(#advice)));
    quote! {
        ::llasta_telemetry::schema::SpanDef {
            name: #name,
            kind: ::llasta_telemetry::schema::Kind::#kind,
            brief: #docs,
            parents: &[#(#parents),*],
            attributes: &[#(#attributes),*],
            twins: &[#(#twins),*],
            was: #was,
            deprecated: #deprecated,
        }
    }
}

/// The definition of the key that a path names.
fn def(path: &Path) -> TokenStream {
    quote_spanned!(place(path)=> <#path as ::llasta_telemetry::schema::KeyType>::DEF)
}

/// The methods for what is known only at the end.
fn finish(span: &SpanItem) -> Option<TokenStream> {
    if span.end.is_empty() {
        return None;
    }
    let ends: Vec<_> = span.end.iter().map(Argument::new).collect();
    let declared: Vec<_> = ends.iter().map(Argument::declaration).collect();
    let names = ends.iter().map(|argument| &argument.name);
    let known = span.start.len();
    let sets = ends.iter().enumerate().map(|(at, one)| one.set(known + at));
    let here = span.ident.span();
    let finish = quote_spanned!(here=> pub fn finish(mut self, #(#declared),*));
    let set_end = quote_spanned!(here=> pub fn set_end(&mut self, #(#declared),*));
    Some(quote! {
        /// Ends the span with what is known only now. A span that is dropped before says
        /// zero, false or nothing instead.
        #finish {
            self.set_end(#(#names),*);
        }

        /// Says what is known only at the end and lets the span go on: for those who borrow
        /// it, such as the body of a function under `#[in_span]`.
        #set_end {
            self.0.finished();
            let __span = &self.0;
            #(#sets)*
        }
    })
}

/// One attribute as an argument of a function.
struct Argument<'a> {
    path: &'a Path,
    name: Ident,
}

impl<'a> Argument<'a> {
    fn new(path: &'a Path) -> Self {
        let name = last(path).unwrap_or_default().to_lowercase();
        Self {
            path,
            name: identifier(&name, place(path)),
        }
    }

    fn declaration(&self) -> TokenStream {
        let Argument { path, name } = self;
        quote_spanned! {name.span()=>
            #name: impl ::llasta_telemetry::span::IntoAttribute<::llasta_telemetry::schema::ValueOf<#path>>
        }
    }

    /// Sets it as the attribute at this place of the span's list.
    fn set(&self, at: usize) -> TokenStream {
        let name = &self.name;
        quote!(__span.set_listed(Self::DEF.attributes[#at].0, #name);)
    }
}

/// `internal` → `Internal`
fn capitalised(word: &Ident) -> Ident {
    let word = word.to_string();
    let (first, rest) = word.split_at(1);
    format_ident!("{}{rest}", first.to_ascii_uppercase())
}
