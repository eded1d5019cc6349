//! The address as a span may carry it: without credentials, without secrets in the query.

use std::borrow::Cow;

use reqwest::Url;

/// Query parameters whose values never leave the service: OpenTelemetry's list of signatures, and
/// the usual names of keys.
const SECRET: [&str; 12] = [
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "api_key",
    "apikey",
    "access_token",
    "token",
    "key",
    "password",
];

const REDACTED: &str = "REDACTED";

/// The address, without what must not be seen.
pub(super) fn presentable(url: &Url) -> Cow<'_, str> {
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let has_secret = url
        .query()
        .is_some_and(|_| url.query_pairs().any(|(name, _)| is_secret(&name)));
    if !has_credentials && !has_secret {
        return Cow::Borrowed(url.as_str());
    }
    let mut url = url.clone();
    if has_credentials {
        // Both fail only for addresses that cannot have credentials in the first place.
        let _ = url.set_username(REDACTED);
        let _ = url.set_password(Some(REDACTED));
    }
    if has_secret {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let value = if is_secret(&name) {
                    REDACTED.to_owned()
                } else {
                    value.into_owned()
                };
                (name.into_owned(), value)
            })
            .collect();
        url.query_pairs_mut().clear().extend_pairs(pairs);
    }
    Cow::Owned(url.into())
}

fn is_secret(name: &str) -> bool {
    SECRET
        .iter()
        .any(|secret| secret.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_secrets_are_redacted_and_nothing_else_is() {
        let show = |text: &str| presentable(&Url::parse(text).unwrap()).into_owned();
        assert_eq!(
            show("http://faiss-wrap:9000/search?k=5"),
            "http://faiss-wrap:9000/search?k=5"
        );
        assert_eq!(
            show("http://me:secret@host/p"),
            "http://REDACTED:REDACTED@host/p"
        );
        assert_eq!(
            show("http://host/p?a=1&API_KEY=abc"),
            "http://host/p?a=1&API_KEY=REDACTED"
        );
    }
}
