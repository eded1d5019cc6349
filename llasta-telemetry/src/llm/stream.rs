//! The instrument for a stream of chunks.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::call::ChatCall;
use super::chunk::{ChatChunk, ChunkView, Itself, ReadChunk, Told};
use crate::context::Scope;

/// Streams of chat completion chunks can be instrumented.
pub trait InstrumentLlm: Stream + Sized {
    /// The same stream, which tells `call` what passes and settles it at the end, at an error, or
    /// when it is dropped: as complete after a finish reason, as cancelled before it.
    fn instrument_llm<C, E>(self, call: ChatCall) -> InstrumentedStream<Self, Itself>
    where
        Self: Stream<Item = Result<C, E>>,
        C: ChatChunk,
        E: Display,
    {
        InstrumentedStream::new(self, call, Itself)
    }

    /// The same for chunks of any type: `view` says what each of them brings.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use llasta_telemetry::llm::{ChatCall, ChatRequest, ChunkView, InstrumentLlm};
    /// use serde_json::{Value, json};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// // Any client's stream, such as one that parses server-sent events.
    /// let chunks = stream::iter([
    ///     Ok::<_, std::io::Error>(json!({"choices": [{"delta": {"content": "Yes."}}]})),
    ///     Ok(json!({"choices": [{"delta": {}, "finish_reason": "stop"}]})),
    /// ]);
    /// # let request = ChatRequest { model: "tiny", messages: 1, size: 90, stream: true, temperature: None, max_tokens: None };
    /// let call = ChatCall::start(request, None);
    /// let mut chunks = chunks.instrument_llm_with(call, |chunk: &Value| ChunkView {
    ///     content: chunk["choices"][0]["delta"]["content"].as_str(),
    ///     finish_reason: chunk["choices"][0]["finish_reason"].as_str(),
    ///     ..ChunkView::default()
    /// });
    /// while let Some(chunk) = chunks.next().await {
    ///     // As before.
    /// #   chunk.unwrap();
    /// }
    /// # }
    /// ```
    fn instrument_llm_with<C, E, F>(
        self,
        call: ChatCall,
        view: F,
    ) -> InstrumentedStream<Self, Told<F>>
    where
        Self: Stream<Item = Result<C, E>>,
        E: Display,
        F: for<'a> FnMut(&'a C) -> ChunkView<'a>,
    {
        InstrumentedStream::new(self, call, Told(view))
    }
}

impl<S: Stream> InstrumentLlm for S {}

pin_project! {
    /// The stream of [`InstrumentLlm`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct InstrumentedStream<S, R> {
        // `None` after the end.
        #[pin]
        inner: Option<S>,
        scope: Scope,
        call: Option<ChatCall>,
        read: R,
    }

    impl<S, R> PinnedDrop for InstrumentedStream<S, R> {
        // The stream goes first: the span of the request that it reads from ends before
        // the call's does. Many readers stop at the finish reason, or at the server's `[DONE]`
        // behind it: the answer is whole, although the stream was not read to its end.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.inner.is_some() {
                let _entered = this.scope.enter();
                this.inner.set(None);
            }
            if let Some(call) = this.call.take_if(|call| call.is_whole()) {
                call.complete(|_, _| {});
            }
        }
    }
}

impl<S, R> InstrumentedStream<S, R> {
    fn new(inner: S, call: ChatCall, read: R) -> Self {
        Self {
            inner: Some(inner),
            scope: call.scope(),
            call: Some(call),
            read,
        }
    }

    /// What it records into; `None` once that is settled.
    pub fn call(&self) -> Option<&ChatCall> {
        self.call.as_ref()
    }
}

impl<S, R, C, E> Stream for InstrumentedStream<S, R>
where
    S: Stream<Item = Result<C, E>>,
    R: ReadChunk<C>,
    E: Display,
{
    type Item = Result<C, E>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let item = {
            let _entered = this.scope.enter();
            let Some(inner) = this.inner.as_mut().as_pin_mut() else {
                return Poll::Ready(None);
            };
            let item = ready!(inner.poll_next(task));
            if item.is_none() {
                // Before the call, as when all of it is dropped.
                this.inner.set(None);
            }
            item
        };
        match &item {
            Some(Ok(chunk)) => {
                if let Some(call) = this.call {
                    this.read.tell(chunk, call);
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
        self.inner.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}
