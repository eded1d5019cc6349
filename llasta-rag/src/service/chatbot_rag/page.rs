//! The chat page: one document with its style and script inside, and headers that let nothing else in.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Grafana;

const DOCUMENT: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    include_str!("page/markdown.js"),
    include_str!("page/answer.js"),
    include_str!("page/page.js")
);

/// The page as it is sent.
#[derive(Debug)]
pub(super) struct Page {
    document: Bytes,
    policy: HeaderValue,
}

impl Page {
    /// The page, with links to traces where there is a Grafana.
    pub(super) fn new(grafana: Option<&Grafana>) -> Self {
        let (url, uid) = grafana.map_or(("", ""), |grafana| (&*grafana.url, &*grafana.tempo_uid));
        let document = DOCUMENT
            .replace("{{style}}", STYLE)
            .replace("{{script}}", SCRIPT)
            // Last, so that nothing in them is taken for a place to fill.
            .replace("{{grafana}}", &escaped(url))
            .replace("{{tempo}}", &escaped(uid));
        // Style and script are known by their hashes, so that no other gets a chance. Trusted Types
        // forbid the script itself to make markup out of text.
        let policy = format!(
            "default-src 'none'; connect-src 'self'; img-src data:; style-src '{}'; script-src '{}'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        Self {
            document: document.into(),
            // Never: it is made of visible ASCII.
            policy: HeaderValue::from_maybe_shared(Bytes::from(policy))
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
        }
    }

    pub(super) fn answer(&self) -> Response {
        let constant = HeaderValue::from_static;
        let headers: [(HeaderName, HeaderValue); 5] = [
            (header::CONTENT_TYPE, constant("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::X_CONTENT_TYPE_OPTIONS, constant("nosniff")),
            (header::REFERRER_POLICY, constant("no-referrer")),
            // A new version of the service brings a new page.
            (header::CACHE_CONTROL, constant("no-cache")),
        ];
        (headers, self.document.clone()).into_response()
    }
}

/// A text as the value of an attribute in double quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
}

/// As a policy names what may run: `sha256-` and the digest in base 64.
fn hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text)))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            // One byte fills two letters, two fill three.
            text.push(if at > group.len() {
                '='
            } else {
                char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_rfc() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(
            hash(""),
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
        );
    }

    #[test]
    fn an_address_stays_within_its_attribute() {
        let grafana = Grafana {
            url: "https://g.example/\"><script>alert(1)</script>&".to_owned(),
            tempo_uid: "{{script}}".to_owned(),
        };
        let page = Page::new(Some(&grafana));
        let text = String::from_utf8(page.document.to_vec()).unwrap();
        assert!(
            text.contains("&quot;>&lt;script>alert(1)&lt;/script>&amp;"),
            "{text}"
        );
        assert_eq!(text.matches("<script").count(), 1);
    }

    #[test]
    fn the_document_has_its_parts_once_and_nothing_that_the_policy_forbids() {
        let page = Page::new(None);
        let text = String::from_utf8(page.document.to_vec()).unwrap();
        assert!(!text.contains("{{"), "a place was not filled");
        assert_eq!(text.matches(STYLE).count(), 1);
        assert_eq!(text.matches(SCRIPT).count(), 1);
        assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
        for forbidden in [
            " style=\"",
            " onclick=",
            "innerHTML",
            "http://",
            "src=",
            "@import",
        ] {
            assert!(!text.contains(forbidden), "{forbidden}");
        }
    }
}
