//! One span.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Ident, LitStr, Path, Result, Token, braced};

use super::{WasItem, docs};

/// `RetrieveContext: "rag.retrieve_context" internal under server { start: TOP_K; }`
pub(in crate::schema) struct SpanItem {
    pub(in crate::schema) docs: String,
    pub(in crate::schema) ident: Ident,
    pub(in crate::schema) name: LitStr,
    pub(in crate::schema) kind: Ident,
    pub(in crate::schema) parents: Vec<ParentItem>,
    pub(in crate::schema) start: Vec<Path>,
    pub(in crate::schema) end: Vec<Path>,
    pub(in crate::schema) optional: Vec<Path>,
    pub(in crate::schema) twins: Vec<(Path, LitStr)>,
    pub(in crate::schema) was: Option<WasItem>,
    pub(in crate::schema) deprecated: Option<LitStr>,
}

pub(in crate::schema) enum ParentItem {
    Kind(Ident),
    Span(LitStr),
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
