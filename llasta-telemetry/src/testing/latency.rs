//! Where a chat request spent its time, as the document lists it.

use std::fmt;

use serde::Serialize;

use super::CapturedSpan;
use super::waterfall::{milliseconds, share};
use crate::schema::{Kind, faiss, llm, rag, response};

/// Where one chat request spent its time: the total, RAG retrieval and in it the FAISS search,
/// context building, vLLM generation and the response.
///
/// Prints as the list of the document. What the trace does not have is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Breakdown {
    /// The total first, then its parts in the order of the request.
    pub shares: Vec<Share>,
}

/// One line of a [`Breakdown`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// What took the time.
    pub label: &'static str,
    /// 0 for the total, 1 for its parts, 2 for what is inside a part.
    pub depth: usize,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// Which part of the total that is, in percent.
    pub percent: f64,
}

impl Breakdown {
    /// Of the first trace among these spans that has a retrieval or a generation under a SERVER
    /// span; `None` when there is no such trace.
    pub fn of(spans: &[CapturedSpan]) -> Option<Self> {
        let parts = [rag::RetrieveContext::DEF.name, llm::Generate::DEF.name];
        let part = spans
            .iter()
            .filter(|span| parts.contains(&span.name.as_str()))
            .min_by_key(|span| span.start_unix_nano)?;
        let trace: Vec<_> = spans
            .iter()
            .filter(|span| span.trace_id == part.trace_id)
            .collect();
        let total = trace.iter().find(|span| {
            span.kind == Kind::Server.name() && Some(&span.span_id) == part.parent_span_id.as_ref()
        })?;
        let whole = total.duration_ms();
        let share = |label, depth, ms: f64| Share {
            label,
            depth,
            ms,
            percent: if whole > 0.0 { ms / whole * 100.0 } else { 0.0 },
        };
        let mut shares = vec![share("Total", 0, whole)];
        for (label, depth, name) in [
            ("RAG retrieval", 1, rag::RetrieveContext::DEF.name),
            ("FAISS search", 2, faiss::Search::DEF.name),
            ("Context building", 1, rag::BuildContext::DEF.name),
            ("vLLM generation", 1, llm::Generate::DEF.name),
            ("Response", 1, response::SendToFrontend::DEF.name),
        ] {
            let mut spans = trace.iter().filter(|span| span.name == name).peekable();
            if spans.peek().is_some() {
                shares.push(share(
                    label,
                    depth,
                    spans.map(|span| span.duration_ms()).sum(),
                ));
            }
        }
        Some(Self { shares })
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.shares.first().map_or(0.0, |total| total.ms);
        for line in &self.shares {
            let indent = line.depth * 2;
            write!(
                f,
                "{:indent$}- {}: {}",
                "",
                line.label,
                milliseconds(line.ms)
            )?;
            if line.depth > 0 {
                write!(f, " ({})", share(line.ms, whole))?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}
