//! The body of an answer: the span ends with its last byte.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use reqwest::{Response, ResponseBuilderExt};

use crate::span::Span;

/// The same answer, whose body holds the span until it ends or is dropped. A caller that drops it
/// has cancelled: by OpenTelemetry's conventions that is no error of the request.
///
/// The span ends here and not with its parent: whoever ends the parent first, such as a typed
/// span around the request, drops the answer before that. The LLM stream does so.
pub(super) fn until_last_byte(response: Response, span: Span) -> Response {
    // The address lives in an extension that only the builder can write, so the builder gets the
    // parts instead of the parts the address: that saves a map of extensions.
    let mut builder = http::Response::builder()
        .status(response.status())
        .version(response.version());
    let url = response.url().clone();
    let (parts, body) = http::Response::from(response).into_parts();
    if let Some(headers) = builder.headers_mut() {
        *headers = parts.headers;
    }
    if let Some(extensions) = builder.extensions_mut() {
        *extensions = parts.extensions;
    }
    // Whoever keeps an answer for its head does not keep the span.
    let span = (!body.is_end_stream()).then_some(span);
    let body = Held { inner: body, span };
    match builder.url(url).body(body) {
        Ok(response) => response.into(),
        // Never: the builder was only given what was valid before.
        Err(_) => http::Response::new("").into(),
    }
}

pin_project! {
    // It is polled outside of the span: what a transport does to deliver bytes is nothing that a
    // service would say of its request.
    struct Held {
        #[pin]
        inner: reqwest::Body,
        span: Option<Span>,
    }
}

impl From<Held> for reqwest::Body {
    fn from(body: Held) -> Self {
        Self::wrap(body)
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(task));
        if this.span.is_none() {
            return Poll::Ready(frame);
        }
        match &frame {
            // Not everybody asks again after the last byte.
            Some(Ok(frame)) => {
                if frame.is_trailers() || this.inner.is_end_stream() {
                    *this.span = None;
                }
            }
            Some(Err(error)) => {
                if let Some(span) = this.span.take() {
                    span.fail(
                        if error.is_timeout() {
                            "timeout"
                        } else {
                            "body_error"
                        },
                        &error.to_string(),
                    );
                }
            }
            None => *this.span = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
