//! The instrument for a stream of chunks.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::call::{ChatCall, Usage};
use crate::context::Scope;

/// One chunk of a streamed chat completion, of any OpenAI-compatible client.
pub trait ChatChunk {
    /// The piece of the answer it brings.
    fn content(&self) -> Option<&str>;

    /// The piece of thinking it brings, where the server tells them apart.
    fn reasoning(&self) -> Option<&str> {
        None
    }

    /// Why the model stopped, in the last chunk that has a choice.
    fn finish_reason(&self) -> Option<&str>;

    /// The usage block, in the last chunk of all (`stream_options.include_usage`).
    fn usage(&self) -> Option<Usage>;
}

/// Streams of chat completion chunks can be instrumented.
pub trait InstrumentLlm: Stream + Sized {
    /// The same stream, which tells `call` what passes and settles it at the end, at an error, or
    /// when it is dropped: as complete after a finish reason, as cancelled before it.
    fn instrument_llm(self, call: ChatCall) -> InstrumentedStream<Self> {
        InstrumentedStream {
            scope: call.scope(),
            inner: self,
            call: Some(call),
        }
    }
}

impl<S, C, E> InstrumentLlm for S
where
    S: Stream<Item = Result<C, E>>,
    C: ChatChunk,
    E: Display,
{
}

pin_project! {
    /// The stream of [`InstrumentLlm::instrument_llm`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct InstrumentedStream<S> {
        #[pin]
        inner: S,
        scope: Scope,
        call: Option<ChatCall>,
    }

    impl<S> PinnedDrop for InstrumentedStream<S> {
        // Many readers stop at the finish reason, or at the server's `[DONE]` behind it: the
        // answer is whole, although the stream was not read to its end.
        fn drop(this: Pin<&mut Self>) {
            if let Some(call) = this.project().call.take_if(|call| call.is_whole()) {
                call.complete(|_, _| {});
            }
        }
    }
}

impl<S, C, E> Stream for InstrumentedStream<S>
where
    S: Stream<Item = Result<C, E>>,
    C: ChatChunk,
    E: Display,
{
    type Item = Result<C, E>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let item = {
            let _entered = this.scope.enter();
            ready!(this.inner.poll_next(task))
        };
        match &item {
            Some(Ok(chunk)) => {
                if let Some(call) = this.call {
                    if let Some(piece) = chunk.reasoning() {
                        call.thinking(piece, |_, _| {});
                    }
                    if let Some(piece) = chunk.content() {
                        call.text(piece, |_, _| {});
                    }
                    if let Some(reason) = chunk.finish_reason() {
                        call.finish_reason(reason);
                    }
                    if let Some(usage) = chunk.usage() {
                        call.usage(usage);
                    }
                }
            }
            Some(Err(error)) => {
                if let Some(call) = this.call.take() {
                    call.fail("stream_error", &error.to_string());
                }
            }
            None => {
                if let Some(call) = this.call.take() {
                    call.complete(|_, _| {});
                }
            }
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
