//! `poll_frame`: first byte, last byte, early drop.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::exchange::{End, Exchange, OnPanic};
use super::fault;

pin_project! {
    /// The body of an instrumented answer: the exchange is settled when it ends.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
        exchange: Option<Exchange>,
        // Bytes still to come, when the length is known. A server that has sent them all does not
        // poll again.
        left: Option<u64>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        // A stream may record while it is dropped: that belongs to the span.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let open = this.exchange.as_ref().filter(|exchange| !exchange.is_settled());
            let _entered = open.map(Exchange::enter);
            let mut inner = this.inner;
            inner.set(None);
        }
    }
}

impl<B: Body> ResponseBody<B> {
    pub(super) fn new(inner: B, exchange: Option<Exchange>, left: Option<u64>) -> Self {
        Self {
            inner: Some(inner),
            exchange,
            left,
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: Display + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        // What has ended is watched no longer.
        let Some(exchange) = this.exchange.as_mut().filter(|open| !open.is_settled()) else {
            return inner.poll_frame(task);
        };
        let frame = ready!(OnPanic::watch(exchange, || inner.as_mut().poll_frame(task)));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(left)) = (frame.data_ref(), this.left.as_mut()) {
                    *left = left.saturating_sub(data.remaining() as u64);
                }
                // Nothing comes after trailers, so nobody polls again.
                if *this.left == Some(0) || frame.is_trailers() || inner.is_end_stream() {
                    exchange.settle(End::Complete);
                } else if frame.is_data() {
                    exchange.byte();
                }
            }
            Some(Err(error)) => {
                let kind = fault::kind(error, "body_error");
                exchange.settle(End::Failed(kind, error.to_string()));
            }
            None => exchange.settle(End::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
