//! What a query for Tempo says of attributes and spans. It is read word by word: whether it is well
//! formed is the question of the grammar.

use super::known::{Known, SERVICES};

pub(super) fn breaches(text: &str, known: &Known) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let compared = match words.get(at + 1).map(String::as_str) {
            Some("=" | "!=" | "<" | "<=" | ">" | ">=" | "=~" | "!~") => words.get(at + 2),
            _ => None,
        };
        let texts = compared.and_then(|word| word.strip_prefix('"')?.strip_suffix('"'));
        let texts = texts.into_iter().flat_map(|text| text.split('|'));
        let attribute = word
            .strip_prefix("span.")
            .or_else(|| word.strip_prefix("resource."));
        if let Some(name) = attribute {
            let Some(ty) = known.attribute(name) else {
                found.push(format!("there is no attribute `{name}`"));
                continue;
            };
            if let Some(literal) = compared
                && !fits(ty, literal)
            {
                found.push(format!("`{name}` is {ty}, and {literal} is not"));
            }
            if name == "service.name" {
                found.extend(texts.filter_map(service));
            }
        } else if word == "name" || word == "rootName" {
            found.extend(
                texts
                    .filter(|name| !is_a_span(name, known))
                    .map(|name| format!("there is no span `{name}`")),
            );
        } else if word == "rootServiceName" {
            found.extend(texts.filter_map(service));
        }
    }
    found
}

fn service(name: &str) -> Option<String> {
    (!SERVICES.contains(&name)).then(|| format!("there is no service `{name}`"))
}

/// A span of the schema, or one that is called by its method and route.
fn is_a_span(name: &str, known: &Known) -> bool {
    let http = ["POST /", "GET /"]
        .iter()
        .any(|method| name.starts_with(method));
    http || known.is_a_span(name)
}

/// Tempo compares strictly: an integer finds integers alone.
fn fits(ty: &str, literal: &str) -> bool {
    match ty {
        "int" => literal.parse::<i64>().is_ok(),
        "double" => literal.contains('.') && literal.parse::<f64>().is_ok(),
        "boolean" => ["true", "false"].contains(&literal),
        _ => literal.starts_with('"'),
    }
}

/// Names, literals and operators; a text keeps its quotation marks.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || "._:".contains(letter);
        let length = if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else if is_word(first) {
            rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
        } else if "=!<>~&|".contains(first) {
            rest.find(|letter| !"=!<>~&|".contains(letter))
                .unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    words
}
