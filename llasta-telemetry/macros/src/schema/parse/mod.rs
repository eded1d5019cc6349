//! What a declaration looks like.

mod key;
mod metric;
mod span;

use proc_macro2::{Delimiter, Punct, Spacing, Span, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Error, Expr, ExprLit, Ident, Lit, LitStr, Meta, Result, Token, braced};

pub(super) use self::key::KeyItem;
pub(super) use self::metric::{LabelItem, MetricItem, MetricsBlock};
pub(super) use self::span::{ParentItem, SpanItem};
use super::collect;

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
    /// What could not be read; the items around it were.
    pub(super) errors: Option<Error>,
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
            errors: None,
        };
        let errors = &mut schema.errors;
        while !input.is_empty() {
            let docs = self::docs(&input.call(Attribute::parse_outer)?)?;
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "keys" => schema.keys.extend(list(input, errors)?),
                "spans" => schema.spans.extend(items(input, errors)?),
                "metrics" => {
                    let ident = input.parse()?;
                    schema.metrics.push(MetricsBlock {
                        docs,
                        ident,
                        metrics: list(input, errors)?,
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
fn list<T: Parse>(input: ParseStream<'_>, errors: &mut Option<Error>) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut item = TokenStream::new();
    let mut end = Span::call_site();
    for token in body(input)? {
        end = token.span();
        match token {
            TokenTree::Punct(mark) if mark.as_char() == ',' => {
                items.push((std::mem::take(&mut item), end));
            }
            token => item.extend([token]),
        }
    }
    if !item.is_empty() {
        items.push((item, end));
    }
    Ok(each(items, errors))
}

/// `{ item item }`: items that end in braces of their own.
fn items<T: Parse>(input: ParseStream<'_>, errors: &mut Option<Error>) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut item = TokenStream::new();
    let mut end = Span::call_site();
    for token in body(input)? {
        end = token.span();
        let last =
            matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        item.extend([token]);
        if last {
            items.push((std::mem::take(&mut item), end));
        }
    }
    if !item.is_empty() {
        items.push((item, end));
    }
    Ok(each(items, errors))
}

fn body(input: ParseStream<'_>) -> Result<TokenStream> {
    let body;
    braced!(body in input);
    body.parse()
}

/// Reads each item by itself, so that what is wrong with one does not hide what is wrong with the
/// next. With each comes where it ends.
fn each<T: Parse>(items: Vec<(TokenStream, Span)>, errors: &mut Option<Error>) -> Vec<T> {
    let whole = |input: ParseStream<'_>| {
        let item = input.parse()?;
        if !input.peek(Token![;]) {
            return Err(input.error("nothing more was expected here, or a comma before it"));
        }
        input.parse::<Token![;]>()?;
        Ok(item)
    };
    let mut all = Vec::new();
    for (mut item, end) in items {
        // Where something is missing at the end there would be no token to point at.
        item.extend([TokenTree::from(mark(end))]);
        match whole.parse2(item) {
            Ok(item) => all.push(item),
            Err(error) => collect(errors, error),
        }
    }
    all
}

fn mark(at: Span) -> Punct {
    let mut mark = Punct::new(';', Spacing::Alone);
    mark.set_span(at);
    mark
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
