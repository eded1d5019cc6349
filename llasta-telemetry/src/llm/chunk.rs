//! What one chunk of a streamed chat completion brings.

use super::call::{ChatCall, Usage};

/// What one chunk brings, or a whole answer that was not streamed. What is not there is `None`.
///
/// OpenAI's chat completions have it at `choices[0].delta.content` (`choices[0].message.content`
/// when not streamed), `choices[0].delta.reasoning_content` or `reasoning`,
/// `choices[0].finish_reason` and `usage`. The last chunk of all has no choices, only the usage,
/// when the request said `stream_options.include_usage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkView<'a> {
    /// A piece of the answer.
    pub content: Option<&'a str>,
    /// A piece of thinking, where the server tells them apart.
    pub reasoning: Option<&'a str>,
    /// Why the model stopped.
    pub finish_reason: Option<&'a str>,
    /// The usage block.
    pub usage: Option<Usage>,
}

/// One chunk of a streamed chat completion. Implement it for chunks of your own; for those of
/// another crate give a closure to
/// [`instrument_llm_with`](super::InstrumentLlm::instrument_llm_with).
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

/// How the instrument looks at chunks of type `C`.
pub trait ReadChunk<C> {
    /// What this chunk brings.
    fn read<'a>(&mut self, chunk: &'a C) -> ChunkView<'a>;

    /// Tells a call of it.
    #[inline]
    fn tell(&mut self, chunk: &C, call: &mut ChatCall) {
        call.chunk(self.read(chunk), |_, _| {});
    }
}

/// Chunks say themselves what they bring: they are [`ChatChunk`]s.
#[derive(Debug, Clone, Copy, Default)]
pub struct Itself;

impl<C: ChatChunk> ReadChunk<C> for Itself {
    #[inline]
    fn read<'a>(&mut self, chunk: &'a C) -> ChunkView<'a> {
        ChunkView {
            content: chunk.content(),
            reasoning: chunk.reasoning(),
            finish_reason: chunk.finish_reason(),
            usage: chunk.usage(),
        }
    }

    // A chunk that is asked bit by bit needs no view.
    #[inline]
    fn tell(&mut self, chunk: &C, call: &mut ChatCall) {
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

/// A closure says what chunks bring.
#[derive(Debug, Clone, Copy)]
pub struct Told<F>(pub(super) F);

impl<C, F> ReadChunk<C> for Told<F>
where
    F: for<'a> FnMut(&'a C) -> ChunkView<'a>,
{
    #[inline]
    fn read<'a>(&mut self, chunk: &'a C) -> ChunkView<'a> {
        (self.0)(chunk)
    }
}
