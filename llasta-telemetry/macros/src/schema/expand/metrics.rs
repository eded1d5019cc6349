//! Instruments.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::Type;
use syn::ext::IdentExt;

use super::{identifier, option, was};
use crate::schema::parse::{LabelItem, MetricItem, MetricsBlock};

pub(super) fn block(block: &MetricsBlock) -> TokenStream {
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

/// A label as a parameter.
fn parameter(label: &Ident) -> Ident {
    identifier(&label.unraw().to_string(), label.span())
}
