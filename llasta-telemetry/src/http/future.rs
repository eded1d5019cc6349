//! `poll`: until the head of the answer is there.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode, header};
use http_body::Body;
use pin_project_lite::pin_project;

use super::ResponseBody;
use super::exchange::{End, Exchange, OnPanic};
use super::{fault, route};

pin_project! {
    /// The answer of an instrumented service. The span is current in each poll.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        pub(super) inner: Option<F>,
        pub(super) exchange: Option<Exchange>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        // What the handler holds may record while it is dropped: that belongs to the span.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut inner = this.inner;
            if inner.is_some() {
                let _entered = this.exchange.as_ref().map(Exchange::enter);
                inner.set(None);
            }
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Display + 'static,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Both are there until the answer is.
        let (Some(exchange), true) = (this.exchange.as_mut(), this.inner.is_some()) else {
            return Poll::Pending;
        };
        let inner = &mut this.inner;
        let result = ready!(OnPanic::watch(exchange, || {
            let result = inner.as_mut().as_pin_mut().map(|future| future.poll(task));
            let result = result.unwrap_or(Poll::Pending);
            if result.is_ready() {
                inner.set(None);
            }
            result
        }));
        let mut exchange = this.exchange.take();
        match result {
            Ok(response) => {
                let length = length(&response);
                if let Some(exchange) = &mut exchange {
                    exchange.head(&response);
                    if is_bodiless(&response, length, exchange.method) {
                        exchange.settle(End::Complete);
                    }
                }
                Poll::Ready(Ok(
                    response.map(|body| ResponseBody::new(body, exchange, length))
                ))
            }
            Err(error) => {
                if let Some(exchange) = &mut exchange {
                    let kind = fault::kind(&error, "service_error");
                    exchange.settle(End::Failed(kind, error.to_string()));
                }
                Poll::Ready(Err(error))
            }
        }
    }
}

/// Whether nothing comes after the head, whatever the body says. An upgrade is one of these: the
/// request ends where the other protocol begins.
fn is_bodiless<B: Body>(response: &Response<B>, length: Option<u64>, method: u8) -> bool {
    length == Some(0)
        || method == route::HEAD
        || method == route::CONNECT && response.status().is_success()
        || response.status().is_informational()
        || matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        )
        || response.body().is_end_stream()
}

/// How long the body is, when anybody knows: a server takes no more than the header promises.
fn length<B: Body>(response: &Response<B>) -> Option<u64> {
    response.body().size_hint().exact().or_else(|| {
        let promised = response.headers().get(header::CONTENT_LENGTH)?;
        promised.to_str().ok()?.parse().ok()
    })
}
