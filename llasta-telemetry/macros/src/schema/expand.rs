//! The Rust of a checked declaration.
//!
//! A key becomes two items of one name: a constant, which says everything about it, and a type
//! alias for its values. The alias lets a span name a key of any module and still know the type
//! of its argument, and lets the compiler itself suggest the right spelling of a wrong one.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Path, Type};

use super::parse::{
    KeyItem, LabelItem, MetricItem, MetricsBlock, OwnerItem, ParentItem, Schema, SpanItem, WasItem,
};

pub(super) fn schema(schema: &Schema) -> TokenStream {
    let keys = schema.keys.iter().map(key);
    let spans = schema.spans.iter().map(span);
    let metrics = schema.metrics.iter().map(metrics_block);

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
    quote! {
        #(#keys)*
        #(#spans)*
        #(#metrics)*

        /// Everything this module declares, for the registry.
        pub static NAMESPACE: ::llasta_telemetry::schema::Namespace = ::llasta_telemetry::schema::Namespace {
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

fn key(key: &KeyItem) -> TokenStream {
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
    let twin = option(twin.as_ref().map(|twin| quote!(#twin)));
    let was = self::was(was.as_ref());
    let deprecated = option(deprecated.as_ref().map(|advice| quote!(#advice)));
    let doc = format!("`{}`: {docs}", name.value());
    quote! {
        #[doc = #doc]
        pub const #ident: ::llasta_telemetry::schema::Key<#rust> =
            ::llasta_telemetry::schema::Key::new(&::llasta_telemetry::schema::KeyDef {
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
        #[allow(non_camel_case_types)]
        pub type #ident = #rust;
    }
}

fn span(span: &SpanItem) -> TokenStream {
    let SpanItem {
        docs,
        ident,
        name,
        kind,
        ..
    } = span;
    let kind = format_ident!("{}", capitalised(&kind.to_string()));
    let parents = span.parents.iter().map(|parent| match parent {
        ParentItem::Kind(kind) => {
            let kind = format_ident!("{}", capitalised(&kind.to_string()));
            quote!(::llasta_telemetry::schema::Parent::#kind)
        }
        ParentItem::Span(name) => quote!(::llasta_telemetry::schema::Parent::Span(#name)),
    });
    let listed = |paths: &[Path], presence: &str| -> Vec<TokenStream> {
        let presence = Ident::new(presence, Span::call_site());
        paths
            .iter()
            .map(|path| quote!((#path.def(), ::llasta_telemetry::schema::Presence::#presence)))
            .collect()
    };
    let start = listed(&span.start, "Start");
    let end = listed(&span.end, "End");
    let optional = listed(&span.optional, "Optional");
    let twins = span
        .twins
        .iter()
        .map(|(path, value)| quote!((#path.def(), #value)));

    let was = self::was(span.was.as_ref());
    let deprecated = option(span.deprecated.as_ref().map(|advice| quote!(#advice)));

    let starts: Vec<_> = span.start.iter().map(argument).collect();
    let start_arguments = starts.iter().map(Argument::declaration);
    let start_arguments_in = starts.iter().map(Argument::declaration);
    let pass = starts.iter().map(|argument| &argument.name);
    let start_sets = starts.iter().map(Argument::set);

    let setters = span.optional.iter().map(|path| {
        let argument = argument(path);
        let (name, declaration, set) = (&argument.name, argument.declaration(), argument.set());
        let doc = format!("Sets [`{}`].", quote!(#path).to_string().replace(' ', ""));
        quote! {
            #[doc = #doc]
            pub fn #name(&self, #declaration) -> &Self {
                let span = &self.0;
                #set
                self
            }
        }
    });
    let finish = (!span.end.is_empty()).then(|| {
        let ends: Vec<_> = span.end.iter().map(argument).collect();
        let declarations: Vec<_> = ends.iter().map(Argument::declaration).collect();
        let names = ends.iter().map(|argument| &argument.name);
        let sets = ends.iter().map(Argument::set);
        quote! {
            /// Ends the span with what is known only now. A span that is dropped before says
            /// zero, false or nothing instead.
            pub fn finish(mut self, #(#declarations),*) {
                self.set_end(#(#names),*);
            }

            /// Says what is known only at the end and lets the span go on: for those who borrow
            /// it, such as the body of a function under `#[in_span]`.
            pub fn set_end(&mut self, #(#declarations),*) {
                self.0.finished();
                let span = &self.0;
                #(#sets)*
            }
        }
    });
    let doc = format!("`{}`: {docs}", name.value());
    let start_doc = format!("Starts `{}` under the current span.", name.value());
    quote! {
        #[doc = #doc]
        #[derive(Debug)]
        #[must_use = "a span ends when it is dropped: bind it to a name"]
        pub struct #ident(::llasta_telemetry::span::Span);

        impl #ident {
            /// What the schema says of this span.
            pub const DEF: &'static ::llasta_telemetry::schema::SpanDef = &::llasta_telemetry::schema::SpanDef {
                name: #name,
                kind: ::llasta_telemetry::schema::Kind::#kind,
                brief: #docs,
                parents: &[#(#parents),*],
                attributes: &[#(#start,)* #(#end,)* #(#optional,)*],
                twins: &[#(#twins),*],
                was: #was,
                deprecated: #deprecated,
            };

            #[doc = #start_doc]
            pub fn start(#(#start_arguments),*) -> Self {
                ::llasta_telemetry::Telemetry::with_current(|telemetry| Self::start_in(telemetry, #(#pass),*))
            }

            /// The same, recorded by the given [`Telemetry`](::llasta_telemetry::Telemetry).
            pub fn start_in(telemetry: &::llasta_telemetry::Telemetry, #(#start_arguments_in),*) -> Self {
                Self(::llasta_telemetry::span::Span::start(telemetry, Self::DEF, |span| {
                    let _ = &span;
                    #(#start_sets)*
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

/// One attribute as an argument of a function.
struct Argument<'a> {
    path: &'a Path,
    name: Ident,
}

fn argument(path: &Path) -> Argument<'_> {
    let last = super::validate::last(path)
        .unwrap_or_default()
        .to_lowercase();
    let span = path
        .segments
        .last()
        .map_or_else(Span::call_site, |segment| segment.ident.span());
    Argument {
        path,
        name: identifier(&last, span),
    }
}

/// An identifier of this name, raw when the name is a keyword.
fn identifier(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(_) => Ident::new(name, span),
        Err(_) => Ident::new_raw(name, span),
    }
}

/// A label as a parameter.
fn parameter(label: &Ident) -> Ident {
    identifier(&label.unraw().to_string(), label.span())
}

impl Argument<'_> {
    fn declaration(&self) -> TokenStream {
        let Argument { path, name } = self;
        quote!(#name: impl ::llasta_telemetry::span::IntoAttribute<#path>)
    }

    fn set(&self) -> TokenStream {
        let Argument { path, name } = self;
        quote!(span.set(#path, #name);)
    }
}

fn metrics_block(block: &MetricsBlock) -> TokenStream {
    let MetricsBlock {
        docs,
        ident,
        metrics,
    } = block;
    let names: Vec<_> = metrics.iter().map(|metric| &metric.ident).collect();
    let instruments: Vec<_> = metrics.iter().map(instrument).collect();
    let defs = metrics.iter().map(definition);
    let numbers: Vec<_> = (0..metrics.len()).collect();
    let accessors = metrics.iter().map(accessor);
    let families = metrics
        .iter()
        .map(|metric| format_ident!("{}_family", metric.ident));
    let doc = if docs.is_empty() {
        format!("The instruments of `{ident}`, one method each.")
    } else {
        docs.clone()
    };
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone)]
        pub struct #ident {
            #(#names: ::llasta_telemetry::metrics::Family<::llasta_telemetry::metrics::#instruments>,)*
        }

        impl #ident {
            /// What the schema says of these metrics.
            pub const DEFS: &'static [::llasta_telemetry::schema::MetricDef] = &[#(#defs),*];

            /// Registers the instruments. Every series of a closed label set exists from now on,
            /// with the value 0. Registering again gives the same instruments.
            pub fn register(registry: &::llasta_telemetry::metrics::Registry) -> Self {
                Self { #(#names: registry.family(&Self::DEFS[#numbers]),)* }
            }

            #(#accessors)*

            #(
                #[doc(hidden)]
                pub fn #families(&self) -> &::llasta_telemetry::metrics::Family<::llasta_telemetry::metrics::#instruments> {
                    &self.#names
                }
            )*
        }
    }
}

fn instrument(metric: &MetricItem) -> Ident {
    let name = match metric.instrument.to_string().as_str() {
        "counter" => "Counter",
        "gauge" => "Gauge",
        "float_gauge" => "FloatGauge",
        _ => "Histogram",
    };
    Ident::new(name, Span::call_site())
}

fn definition(metric: &MetricItem) -> TokenStream {
    let MetricItem {
        docs,
        name,
        buckets,
        unit,
        was,
        deprecated,
        ..
    } = metric;
    let kind = match metric.instrument.to_string().as_str() {
        "counter" => quote!(Counter),
        "histogram" => quote!(Histogram),
        _ => quote!(Gauge),
    };
    let unit = option(unit.as_ref().map(|unit| quote!(#unit)));
    let buckets = buckets
        .as_ref()
        .map_or_else(|| quote!(&[]), |buckets| quote!(#buckets));
    let was = self::was(was.as_ref());
    let deprecated = option(deprecated.as_ref().map(|advice| quote!(#advice)));
    let labels = metric.labels.iter().map(|label| {
        let (ty, was) = (&label.ty, self::was(label.was.as_ref()));
        let label = label.ident.unraw().to_string();
        let values = if is_text(ty) {
            quote!(<#ty>::VALUES)
        } else {
            quote!(::llasta_telemetry::schema::LabelValues::Closed(<#ty as ::llasta_telemetry::schema::LabelSet>::VALUES))
        };
        quote!(::llasta_telemetry::schema::LabelDef { name: #label, values: #values, was: #was })
    });
    quote! {
        ::llasta_telemetry::schema::MetricDef {
            name: #name,
            instrument: ::llasta_telemetry::schema::Instrument::#kind,
            brief: #docs,
            unit: #unit,
            labels: &[#(#labels),*],
            buckets: #buckets,
            was: #was,
            deprecated: #deprecated,
        }
    }
}

/// A metric is a function of its labels.
fn accessor(metric: &MetricItem) -> TokenStream {
    let name = &metric.ident;
    let instrument = instrument(metric);
    let doc = format!("`{}`: {}", metric.name.value(), metric.docs);
    let parameters = metric.labels.iter().map(|LabelItem { ident, ty, .. }| {
        let label = parameter(ident);
        if is_text(ty) {
            quote!(#label: &str)
        } else {
            quote!(#label: #ty)
        }
    });
    let closed = metric.labels.iter().filter(|label| !is_text(&label.ty));
    let index = closed.fold(quote!(0usize), |index, LabelItem { ident, ty, .. }| {
        let label = parameter(ident);
        // A product binds tighter than the sum before it.
        quote!((#index) * <#ty as ::llasta_telemetry::schema::LabelSet>::VALUES.len() + ::llasta_telemetry::schema::LabelSet::index(#label))
    });
    let texts: Vec<_> = metric
        .labels
        .iter()
        .filter(|label| is_text(&label.ty))
        .map(|label| parameter(&label.ident))
        .collect();
    if texts.is_empty() {
        quote! {
            #[doc = #doc]
            #[inline]
            pub fn #name(&self, #(#parameters),*) -> &::llasta_telemetry::metrics::#instrument {
                self.#name.at(#index)
            }
        }
    } else {
        // A text is looked up: whoever records often keeps the handle.
        quote! {
            #[doc = #doc]
            pub fn #name(&self, #(#parameters),*) -> ::llasta_telemetry::metrics::Handle<::llasta_telemetry::metrics::#instrument> {
                self.#name.with(&[#(#texts),*], #index)
            }
        }
    }
}

/// Whether a label takes texts that only the running program knows, such as a model's name.
fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Text"))
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

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}
