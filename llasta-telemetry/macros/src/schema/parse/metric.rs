//! Metrics.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, Ident, LitStr, Result, Token, Type, braced, parenthesized, token,
};

use super::{WasItem, docs};

/// `metrics ChatbotMetrics { counter requests: "chatbot_requests_total" { endpoint: Endpoint }, }`
pub(in crate::schema) struct MetricsBlock {
    pub(in crate::schema) docs: String,
    pub(in crate::schema) ident: Ident,
    pub(in crate::schema) metrics: Vec<MetricItem>,
}

pub(in crate::schema) struct MetricItem {
    pub(in crate::schema) docs: String,
    pub(in crate::schema) instrument: Ident,
    pub(in crate::schema) ident: Ident,
    pub(in crate::schema) name: LitStr,
    pub(in crate::schema) labels: Vec<LabelItem>,
    pub(in crate::schema) buckets: Option<Expr>,
    pub(in crate::schema) unit: Option<LitStr>,
    pub(in crate::schema) was: Option<WasItem>,
    pub(in crate::schema) deprecated: Option<LitStr>,
}

/// `status: Outcome was "result" since "0.2.0"`
pub(in crate::schema) struct LabelItem {
    pub(in crate::schema) ident: Ident,
    pub(in crate::schema) ty: Type,
    pub(in crate::schema) was: Option<WasItem>,
}

impl Parse for MetricItem {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let docs = docs(&input.call(Attribute::parse_outer)?)?;
        let instrument = input.parse()?;
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let name = input.parse()?;
        let mut metric = MetricItem {
            docs,
            instrument,
            ident,
            name,
            labels: vec![],
            buckets: None,
            unit: None,
            was: None,
            deprecated: None,
        };
        if input.peek(token::Brace) {
            let body;
            braced!(body in input);
            metric.labels = Punctuated::<LabelItem, Token![,]>::parse_terminated(&body)?
                .into_iter()
                .collect();
        }
        while input.peek(Ident) {
            let word: Ident = input.parse()?;
            let value;
            parenthesized!(value in input);
            match word.to_string().as_str() {
                "buckets" => metric.buckets = Some(value.parse()?),
                "unit" => metric.unit = Some(value.parse()?),
                "was" => metric.was = Some(value.parse()?),
                "deprecated" => metric.deprecated = Some(value.parse()?),
                other => {
                    let text = format!(
                        "`{other}` says nothing about a metric: write `buckets(…)`, `unit(\"…\")`, `was(\"…\" since \"…\")` or `deprecated(\"…\")`"
                    );
                    return Err(Error::new(word.span(), text));
                }
            }
        }
        Ok(metric)
    }
}

impl Parse for LabelItem {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let ident = input.call(Ident::parse_any)?;
        input.parse::<Token![:]>()?;
        let ty = input.parse()?;
        let was = if input.peek(Ident) {
            let word: Ident = input.parse()?;
            if word != "was" {
                let text = format!(
                    "`{word}` says nothing about a label: write a comma, or `was \"…\" since \"…\"`"
                );
                return Err(Error::new(word.span(), text));
            }
            Some(input.parse()?)
        } else {
            None
        };
        Ok(LabelItem { ident, ty, was })
    }
}
