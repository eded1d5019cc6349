//! The address of the collector, as people write it.

use std::fmt;

use crate::error::Error;

/// The address of an OTLP collector that speaks gRPC, with its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    url: String,
    /// Whether the scheme was missing. The exporter would take that for https.
    pub(crate) assumed_http: bool,
}

impl Endpoint {
    /// What the specification says when nobody says anything.
    pub(crate) fn default_local() -> Self {
        Self {
            url: "http://localhost:4317".to_owned(),
            assumed_http: false,
        }
    }

    /// Reads `http://host:4317`, `https://host:4317` or `host:4317`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let (url, assumed_http) = match text.split_once("://") {
            Some(("http" | "https", _)) => (text.to_owned(), false),
            Some((scheme, _)) => {
                return Err(Error::config(format!(
                    "the OTLP endpoint `{text}` has the scheme `{scheme}`: use http:// or https://, or host:port for http"
                )));
            }
            None => (format!("http://{text}"), true),
        };
        let url = match url.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.trim_end_matches('/')),
            None => url,
        };
        let host = url.split_once("://").map_or("", |(_, rest)| rest);
        if host.is_empty() || host.starts_with(':') || host.contains(char::is_whitespace) {
            return Err(Error::config(format!(
                "the OTLP endpoint `{text}` names no host: write it as http://alloy:4317"
            )));
        }
        #[cfg(not(feature = "tls"))]
        if url.starts_with("https://") {
            return Err(Error::config(format!(
                "the OTLP endpoint `{text}` wants TLS: turn on the feature `tls` of llasta-telemetry, or use http://"
            )));
        }
        Ok(Self { url, assumed_http })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_scheme_means_http() {
        let endpoint = Endpoint::parse("alloy.monitoring:4317").unwrap();
        assert_eq!(endpoint.url(), "http://alloy.monitoring:4317");
        assert!(endpoint.assumed_http);
        assert!(!Endpoint::parse("http://alloy:4317/").unwrap().assumed_http);
    }

    #[test]
    fn an_endpoint_that_is_none_says_how_to_write_it() {
        for wrong in ["", "http://", "grpc://alloy:4317", "http://a b", ":4317"] {
            let message = Endpoint::parse(wrong).unwrap_err().to_string();
            assert!(message.contains("http://"), "{message}");
        }
    }
}
