//! The body of an answer: the span ends with its last byte.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use reqwest::{Response, ResponseBuilderExt};

use crate::span::Span;

/// The same answer, whose body holds the span until it ends or is dropped. A caller that drops it
/// has cancelled: by OpenTelemetry's conventions that is no error of the request.
///
/// The span ends here and not with its parent: whoever ends the parent first, such as a typed
/// span around the request, drops the answer before that. The LLM stream does so.
pub(super) fn until_last_byte(mut response: Response, span: Span) -> Response {
    // The address lives in an extension that only the builder can write, so the builder gets the
    // parts instead of the parts the address: that saves a map of extensions.
    let mut builder = http::Response::builder()
        .status(response.status())
        .version(response.version());
    if let Some(headers) = builder.headers_mut() {
        *headers = std::mem::take(response.headers_mut());
    }
    if let Some(extensions) = builder.extensions_mut() {
        *extensions = std::mem::take(response.extensions_mut());
    }
    let builder = builder.url(response.url().clone());
    // In HTTP/1 trailers come behind chunks only, so data is all there is: the answer can give
    // it out itself, without the box around a body.
    let inner = match response.content_length() {
        Some(_) if response.version() <= Version::HTTP_11 => Inner::Answer(response),
        _ => Inner::Body(response.into()),
    };
    // Whoever keeps an answer for its head does not keep the span.
    let span = (!inner.is_end_stream()).then_some(span);
    match builder.body(Held { inner, span }) {
        Ok(response) => response.into(),
        // Never: the builder was only given what was valid before.
        Err(_) => http::Response::new("").into(),
    }
}

enum Inner {
    /// Of known length, without trailers.
    Answer(Response),
    Body(reqwest::Body),
}

impl Inner {
    fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        match self {
            // Between two polls this future holds nothing.
            Self::Answer(response) => {
                let chunk = ready!(pin!(response.chunk()).poll(task));
                Poll::Ready(chunk.transpose().map(|chunk| chunk.map(Frame::data)))
            }
            Self::Body(body) => Pin::new(body).poll_frame(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Answer(response) => response.content_length() == Some(0),
            Self::Body(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Answer(response) => response
                .content_length()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Body(body) => body.size_hint(),
        }
    }
}

// It is polled outside of the span: what a transport does to deliver bytes is nothing that a
// service would say of its request.
struct Held {
    inner: Inner,
    span: Option<Span>,
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
        let this = self.get_mut();
        let frame = ready!(this.inner.poll_frame(task));
        if this.span.is_none() {
            return Poll::Ready(frame);
        }
        match &frame {
            // Not everybody asks again after the last byte.
            Some(Ok(frame)) => {
                if frame.is_trailers() || this.inner.is_end_stream() {
                    this.span = None;
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
            None => this.span = None,
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
