//! One attribute key.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitStr, Path, Result, Token, braced, token};

use super::{WasItem, docs};

/// `TOP_K: "rag.top_k" => i64 { unit: "{chunk}" },`
pub(in crate::schema) struct KeyItem {
    pub(in crate::schema) docs: String,
    pub(in crate::schema) ident: Ident,
    pub(in crate::schema) name: LitStr,
    pub(in crate::schema) ty: Ident,
    pub(in crate::schema) content: bool,
    pub(in crate::schema) development: bool,
    pub(in crate::schema) unit: Option<LitStr>,
    pub(in crate::schema) twin: Option<Path>,
    pub(in crate::schema) examples: Vec<LitStr>,
    pub(in crate::schema) was: Option<WasItem>,
    pub(in crate::schema) deprecated: Option<LitStr>,
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
