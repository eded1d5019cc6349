//! Chunks of a streamed chat completion, polled out of memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use llasta_telemetry::llm::{ChatChunk, Usage};

use super::Proof;
use crate::measure::Subject;

/// One token, as a client would have parsed it.
#[derive(Debug)]
pub struct Token {
    text: String,
    last: bool,
}

/// The text of every token but the last, which has none.
const TEXT: &str = " token";

impl ChatChunk for Token {
    fn content(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn finish_reason(&self) -> Option<&str> {
        self.last.then_some("stop")
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}

type Waiting = Rc<RefCell<VecDeque<Token>>>;

/// Tokens as they arrive; pending when none waits.
#[derive(Debug)]
pub struct Arriving(Waiting);

impl Stream for Arriving {
    type Item = Result<Token, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.borrow_mut().pop_front() {
            Some(token) => Poll::Ready(Some(Ok(token))),
            None => Poll::Pending,
        }
    }
}

/// A stream in its middle, with or without an instrument around it.
pub struct Chunks<S> {
    waiting: Waiting,
    /// Taken at the end.
    stream: Option<S>,
    proof: Proof,
}

impl<S> std::fmt::Debug for Chunks<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").finish_non_exhaustive()
    }
}

impl<S: Stream + Unpin> Chunks<S> {
    /// `instrument` wraps the bare stream.
    pub fn new(instrument: impl FnOnce(Arriving) -> S, proof: Proof) -> Self {
        let waiting = Waiting::default();
        Self {
            stream: Some(instrument(Arriving(waiting.clone()))),
            waiting,
            proof,
        }
    }
}

/// Unicode scalar values that so many tokens bring.
pub(crate) fn characters(tokens: u64) -> u64 {
    tokens * TEXT.len() as u64
}

fn poll<S: Stream + Unpin>(stream: &mut S, count: usize) {
    let mut task = Context::from_waker(Waker::noop());
    for _ in 0..count {
        match Pin::new(&mut *stream).poll_next(&mut task) {
            Poll::Ready(Some(item)) => drop(std::hint::black_box(item)),
            _ => panic!("a token that waits was not given out"),
        }
    }
}

impl<S: Stream + Unpin> Subject for Chunks<S> {
    fn batch(&mut self, count: usize) -> Box<dyn FnOnce() + '_> {
        let token = || Token {
            text: TEXT.to_owned(),
            last: false,
        };
        self.waiting
            .borrow_mut()
            .extend(std::iter::repeat_with(token).take(count));
        Box::new(move || {
            if let Some(stream) = &mut self.stream {
                poll(stream, count);
            }
        })
    }

    fn verify(&mut self, operations: u64) {
        self.waiting.borrow_mut().push_back(Token {
            text: String::new(),
            last: true,
        });
        if let Some(mut stream) = self.stream.take() {
            poll(&mut stream, 1);
        }
        self.proof.settle();
        self.proof.verify(operations);
    }
}
