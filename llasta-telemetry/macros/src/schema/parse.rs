//! What a declaration looks like.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Result, Token, Type, braced,
    parenthesized, token,
};

/// The whole declaration: a namespace, then blocks in any order.
pub(super) struct Schema {
    pub(super) docs: String,
    /// Names that others define and this service only uses.
    pub(super) foreign: bool,
    pub(super) namespace: Ident,
    pub(super) owner: OwnerItem,
    pub(super) keys: Vec<KeyItem>,
    pub(super) spans: Vec<SpanItem>,
    pub(super) metrics: Vec<MetricsBlock>,
}

/// Whose metrics these are: `of everyone`, `of "chatbot-rag"`, or nobody's in particular.
pub(super) enum OwnerItem {
    Anyone,
    Everyone,
    Service(LitStr),
}

/// The name something had before: `was: "rag.k" since "0.2.0"`.
pub(super) struct WasItem {
    pub(super) name: LitStr,
    pub(super) since: LitStr,
}

/// `TOP_K: "rag.top_k" => i64 { unit: "{chunk}" },`
pub(super) struct KeyItem {
    pub(super) docs: String,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) ty: Ident,
    pub(super) content: bool,
    pub(super) development: bool,
    pub(super) unit: Option<LitStr>,
    pub(super) twin: Option<Path>,
    pub(super) examples: Vec<LitStr>,
    pub(super) was: Option<WasItem>,
    pub(super) deprecated: Option<LitStr>,
}

/// `RetrieveContext: "rag.retrieve_context" internal under server { start: TOP_K; }`
pub(super) struct SpanItem {
    pub(super) docs: String,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) kind: Ident,
    pub(super) parents: Vec<ParentItem>,
    pub(super) start: Vec<Path>,
    pub(super) end: Vec<Path>,
    pub(super) optional: Vec<Path>,
    pub(super) twins: Vec<(Path, LitStr)>,
    pub(super) was: Option<WasItem>,
    pub(super) deprecated: Option<LitStr>,
}

pub(super) enum ParentItem {
    Kind(Ident),
    Span(LitStr),
}

/// `metrics ChatbotMetrics { counter requests: "chatbot_requests_total" { endpoint: Endpoint }, }`
pub(super) struct MetricsBlock {
    pub(super) docs: String,
    pub(super) ident: Ident,
    pub(super) metrics: Vec<MetricItem>,
}

pub(super) struct MetricItem {
    pub(super) docs: String,
    pub(super) instrument: Ident,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) labels: Vec<LabelItem>,
    pub(super) buckets: Option<Expr>,
    pub(super) unit: Option<LitStr>,
    pub(super) was: Option<WasItem>,
    pub(super) deprecated: Option<LitStr>,
}

/// `status: Outcome was "result" since "0.2.0"`
pub(super) struct LabelItem {
    pub(super) ident: Ident,
    pub(super) ty: Type,
    pub(super) was: Option<WasItem>,
}

impl Parse for Schema {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let docs = docs(&input.call(Attribute::parse_outer)?)?;
        let mut word: Ident = input.parse()?;
        let foreign = word == "foreign";
        if foreign {
            word = input.parse()?;
        }
        if word != "namespace" {
            return Err(Error::new(
                word.span(),
                "a schema begins with its namespace: `namespace billing;`",
            ));
        }
        let namespace = input.parse()?;
        let owner = owner(input)?;
        input.parse::<Token![;]>()?;
        let mut schema = Schema {
            docs,
            foreign,
            namespace,
            owner,
            keys: vec![],
            spans: vec![],
            metrics: vec![],
        };
        while !input.is_empty() {
            let docs = self::docs(&input.call(Attribute::parse_outer)?)?;
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "keys" => schema.keys.extend(list(input)?),
                "spans" => schema.spans.extend(items(input)?),
                "metrics" => {
                    let ident = input.parse()?;
                    schema.metrics.push(MetricsBlock {
                        docs,
                        ident,
                        metrics: list(input)?,
                    });
                }
                other => {
                    let text = format!(
                        "`{other}` is no block of a schema: write `keys {{ … }}`, `spans {{ … }}` or `metrics Name {{ … }}`"
                    );
                    return Err(Error::new(word.span(), text));
                }
            }
        }
        Ok(schema)
    }
}

impl Parse for KeyItem {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let docs = docs(&input.call(Attribute::parse_outer)?)?;
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let name = input.parse()?;
        input.parse::<Token![=>]>()?;
        let ty = input.parse()?;
        let mut key = KeyItem {
            docs,
            ident,
            name,
            ty,
            content: false,
            development: false,
            unit: None,
            twin: None,
            examples: vec![],
            was: None,
            deprecated: None,
        };
        if input.peek(token::Brace) {
            let body;
            braced!(body in input);
            while !body.is_empty() {
                let word: Ident = body.parse()?;
                match word.to_string().as_str() {
                    "content" => key.content = true,
                    "development" => key.development = true,
                    "unit" => {
                        key.unit = Some(body.parse::<Token![:]>().and_then(|_| body.parse())?);
                    }
                    "twin" => {
                        key.twin = Some(body.parse::<Token![:]>().and_then(|_| body.parse())?);
                    }
                    "example" => key
                        .examples
                        .push(body.parse::<Token![:]>().and_then(|_| body.parse())?),
                    "was" => {
                        body.parse::<Token![:]>()?;
                        key.was = Some(body.parse()?);
                    }
                    "deprecated" => {
                        key.deprecated =
                            Some(body.parse::<Token![:]>().and_then(|_| body.parse())?);
                    }
                    other => {
                        let text = format!(
                            "`{other}` says nothing about a key: write `content`, `development`, `unit: \"…\"`, `twin: …`, `example: \"…\"`, `was: \"…\" since \"…\"` or `deprecated: \"…\"`"
                        );
                        return Err(Error::new(word.span(), text));
                    }
                }
                if !body.is_empty() {
                    body.parse::<Token![,]>()?;
                }
            }
        }
        Ok(key)
    }
}

impl Parse for SpanItem {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let docs = docs(&input.call(Attribute::parse_outer)?)?;
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let name = input.parse()?;
        let kind = input.parse()?;
        let mut span = SpanItem {
            docs,
            ident,
            name,
            kind,
            parents: vec![],
            start: vec![],
            end: vec![],
            optional: vec![],
            twins: vec![],
            was: None,
            deprecated: None,
        };
        if input.peek(Ident) {
            let under: Ident = input.parse()?;
            if under != "under" {
                return Err(Error::new(
                    under.span(),
                    "expected `under` and the parents, or the attributes in braces",
                ));
            }
            span.parents = parents(input)?;
        }
        let body;
        braced!(body in input);
        while !body.is_empty() {
            let word: Ident = body.parse()?;
            body.parse::<Token![:]>()?;
            match word.to_string().as_str() {
                "start" => span.start.extend(paths(&body)?),
                "end" => span.end.extend(paths(&body)?),
                "optional" => span.optional.extend(paths(&body)?),
                "twin" => {
                    let key = body.parse()?;
                    body.parse::<Token![=]>()?;
                    span.twins.push((key, body.parse()?));
                }
                "was" => span.was = Some(body.parse()?),
                "deprecated" => span.deprecated = Some(body.parse()?),
                other => {
                    let text = format!(
                        "`{other}` is no part of a span: write `start: …;` (known when it starts), `end: …;` (known when it ends), `optional: …;`, `twin: KEY = \"…\";`, `was: \"…\" since \"…\";` or `deprecated: \"…\";`"
                    );
                    return Err(Error::new(word.span(), text));
                }
            }
            if !body.is_empty() {
                body.parse::<Token![;]>()?;
            }
        }
        Ok(span)
    }
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

/// `"rag.k" since "0.2.0"`
impl Parse for WasItem {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse()?;
        let text = "say which version renamed it: `since \"0.2.0\"`";
        match input.parse::<Ident>() {
            Ok(word) if word == "since" => {}
            Ok(word) => return Err(Error::new(word.span(), text)),
            Err(error) => return Err(Error::new(error.span(), text)),
        }
        let since = input.parse()?;
        Ok(WasItem { name, since })
    }
}

fn owner(input: ParseStream<'_>) -> Result<OwnerItem> {
    if !input.peek(Ident) {
        return Ok(OwnerItem::Anyone);
    }
    let text = "write `of \"service-name\"` or `of everyone`: whose page has the metrics of this namespace";
    let word: Ident = input.parse()?;
    if word != "of" {
        return Err(Error::new(word.span(), text));
    }
    if input.peek(LitStr) {
        return Ok(OwnerItem::Service(input.parse()?));
    }
    match input.parse::<Ident>() {
        Ok(word) if word == "everyone" => Ok(OwnerItem::Everyone),
        Ok(word) => Err(Error::new(word.span(), text)),
        Err(error) => Err(Error::new(error.span(), text)),
    }
}

/// `{ item, item, }`
fn list<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    let body;
    braced!(body in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&body)?
        .into_iter()
        .collect())
}

/// `{ item item }`: items that end in braces of their own.
fn items<T: Parse>(input: ParseStream<'_>) -> Result<Vec<T>> {
    let body;
    braced!(body in input);
    let mut all = Vec::new();
    while !body.is_empty() {
        all.push(body.parse()?);
    }
    Ok(all)
}

fn paths(input: ParseStream<'_>) -> Result<Vec<Path>> {
    Ok(
        Punctuated::<Path, Token![,]>::parse_separated_nonempty(input)?
            .into_iter()
            .collect(),
    )
}

fn parents(input: ParseStream<'_>) -> Result<Vec<ParentItem>> {
    let mut all = Vec::new();
    loop {
        all.push(if input.peek(LitStr) {
            ParentItem::Span(input.parse()?)
        } else {
            ParentItem::Kind(input.parse()?)
        });
        if !input.peek(Token![,]) {
            return Ok(all);
        }
        input.parse::<Token![,]>()?;
    }
}

/// The text of the doc comments; any other attribute is out of place.
fn docs(attributes: &[Attribute]) -> Result<String> {
    let mut lines = Vec::new();
    for attribute in attributes {
        match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => {
                if let Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) = &pair.value
                {
                    lines.push(text.value().trim().to_owned());
                }
            }
            _ => return Err(Error::new_spanned(attribute, "only doc comments go here")),
        }
    }
    Ok(lines.join("\n").trim().to_owned())
}
