//! Words that must have few values: whether a text looks as if there were many like it.

/// Values of one label, beyond which a page grows too long.
pub(super) const MOST_VALUES: usize = 50;

/// Letters of one word, beyond which it is a sentence.
const MOST_LETTERS: usize = 100;

/// Why there may be many texts like this one; `None` where it looks like one of a few.
///
/// Names of models and versions pass, dates in them too.
pub(super) fn many(text: &str) -> Option<&'static str> {
    if text.len() > MOST_LETTERS {
        return Some("is as long as a sentence");
    }
    if text.split_whitespace().count() > 3 {
        return Some("is a sentence");
    }
    id(text)
}

/// The same for a pattern of paths, such as `/users/{id}`.
pub(super) fn many_paths(text: &str) -> Option<&'static str> {
    if text.contains(char::is_whitespace) {
        return Some("is a sentence");
    }
    if text.contains('?') {
        return Some("holds a query");
    }
    if text.split('/').any(is_number) {
        return Some("holds a number");
    }
    many(text)
}

/// The same for a word that says what went wrong.
pub(super) fn many_words(text: &str) -> Option<&'static str> {
    if text.contains(char::is_whitespace) {
        return Some("is a sentence");
    }
    many(text)
}

/// The same for the name of a span, which may be of several words.
pub(super) fn many_names(text: &str) -> Option<&'static str> {
    let words = || text.split_whitespace();
    if text.len() > MOST_LETTERS || words().count() > 8 {
        return Some("is a sentence");
    }
    words().find_map(|word| {
        let number = is_number(word) || word.starts_with('/') && word.split('/').any(is_number);
        if number {
            Some("holds a number")
        } else {
            id(word)
        }
    })
}

/// An id or an address in the text.
fn id(text: &str) -> Option<&'static str> {
    if is_mail(text) {
        return Some("is an e-mail address");
    }
    let mut pieces = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    pieces.find_map(|piece| {
        if holds_uuid(piece) {
            return Some("holds a UUID");
        }
        piece.split('-').find_map(|part| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            if digits && part.len() >= 9 || part == text && digits && part.len() >= 6 {
                Some("holds a long number")
            } else if part.len() >= 16
                && part.bytes().all(|byte| byte.is_ascii_hexdigit())
                && part.bytes().any(|byte| byte.is_ascii_digit())
            {
                Some("holds the hex digits of an id")
            } else {
                None
            }
        })
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !text.contains(['/', ' '])
    })
}

/// `8-4-4-4-12` hex digits.
fn holds_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.windows(5).any(|five| {
        let hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
        five.iter()
            .zip([8, 4, 4, 4, 12])
            .all(|(group, digits)| group.len() == digits && hex(group))
    })
}

#[cfg(test)]
mod tests {
    use super::{many, many_names, many_paths, many_words};

    #[test]
    fn names_of_models_versions_and_routes_are_words() {
        for word in [
            "",
            "success",
            "500",
            "Qwen/Qwen3-8B",
            "gpt-4o-2024-08-06",
            "claude-4-20250514",
            "meta-llama/Llama-3.1-8B-Instruct",
            "BAAI/bge-m3",
            "0.1.0",
            "1.2.3+build.7",
            "http://vllm:8000",
            "New York City",
            "java.net.ConnectException",
            "faiss_wrap_unreachable",
        ] {
            assert_eq!(many(word), None, "{word}");
        }
        for route in [
            "/",
            "/api/chat",
            "/v1/chat/completions",
            "/users/{id}/orders/:order",
            "/files/{*path}",
        ] {
            assert_eq!(many_paths(route), None, "{route}");
        }
        for name in [
            "POST /api/chat",
            "rag.retrieve_context",
            "SELECT orders",
            "process order",
            "HTTP",
        ] {
            assert_eq!(many_names(name), None, "{name}");
        }
        assert_eq!(many_words("client_disconnect"), None);
    }

    #[test]
    fn ids_addresses_and_sentences_are_not() {
        for text in [
            "0af7651916cd43dd8448eb211c80319c",
            "user-627cc493-f310-47de-96bd-71410b7dec09",
            "someone@example.org",
            "1795399879",
            "123456",
            "order-1795399879",
            "What is monitored in here?",
        ] {
            assert!(many(text).is_some(), "{text}");
        }
        for path in [
            "/users/42",
            "/search?q=cats",
            "/users/0af7651916cd43dd",
            "/my file",
        ] {
            assert!(many_paths(path).is_some(), "{path}");
        }
        for name in [
            "order 4711",
            "GET /users/42",
            "chat 0af7651916cd43dd8448eb211c80319c",
        ] {
            assert!(many_names(name).is_some(), "{name}");
        }
        assert!(many_words("connection refused").is_some());
    }
}
