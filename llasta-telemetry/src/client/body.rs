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
pub(super) fn until_last_byte(response: Response, span: Span) -> Response {
    let url = response.url().clone();
    let (mut parts, body) = http::Response::from(response).into_parts();
    // The address lives in an extension that only the builder can write.
    if let Ok(with_url) = http::Response::builder().url(url).body(()) {
        parts.extensions.extend(with_url.into_parts().0.extensions);
    }
    // Whoever keeps an answer for its head does not keep the span.
    let span = (!body.is_end_stream()).then_some(span);
    let body = reqwest::Body::wrap(Held { inner: body, span });
    Response::from(http::Response::from_parts(parts, body))
}

pin_project! {
    struct Held {
        #[pin]
        inner: reqwest::Body,
        span: Option<Span>,
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
