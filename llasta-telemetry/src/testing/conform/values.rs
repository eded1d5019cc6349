//! Values that say the same thing, or cannot both be.

use super::excuse::{Found, ended_early, is_streamed};
use super::finding::{FindingId, Findings};
use super::tree::{CONTEXT, GENERATE, RESPONSE, RETRIEVE};
use crate::schema::{faiss, llm, rag};
use crate::testing::{AttributeValue, CapturedSpan};

/// What holds within one span.
pub(super) fn span(span: &CapturedSpan, findings: &mut Findings) {
    let mut check = Check { span, findings };
    check.scores(
        rag::RESULTS_FILTERED_COUNT.name(),
        [
            rag::SCORE_MIN.name(),
            rag::SCORE_AVG.name(),
            rag::SCORE_MAX.name(),
        ],
    );
    check.scores(
        faiss::RESULTS_COUNT.name(),
        [
            faiss::SCORE_MIN.name(),
            faiss::SCORE_AVG.name(),
            faiss::SCORE_MAX.name(),
        ],
    );
    for (less, more) in [
        (
            rag::RESULTS_FILTERED_COUNT.name(),
            rag::RESULTS_RAW_COUNT.name(),
        ),
        (rag::CHUNKS_SENT.name(), rag::INPUT_CHUNKS.name()),
        (rag::CONTEXT_CHARS.name(), rag::LIMIT_CHARS.name()),
    ] {
        check.at_most(less, more);
    }
    check.threshold(rag::MIN_SCORE.name());
    if span.bool(llm::STREAM.name()) == Some(false) {
        check.streamed_only(llm::TIME_TO_FIRST_TOKEN.name());
        check.streamed_only(llm::TIME_PER_OUTPUT_TOKEN.name());
    }
}

/// What holds between the spans of one chat request.
pub(super) fn chat(found: &Found<'_>, findings: &mut Findings) {
    let went_well = |line: usize| found[line].filter(|span| !ended_early(span));
    if let (Some(retrieve), Some(context)) = (went_well(RETRIEVE), found[CONTEXT]) {
        let mut check = Check {
            span: retrieve,
            findings,
        };
        check.has(rag::RESULTS_RAW_COUNT.name(), "the retrieval went well");
        check.has(
            rag::RESULTS_FILTERED_COUNT.name(),
            "the retrieval went well",
        );
        let filtered = retrieve.int(rag::RESULTS_FILTERED_COUNT.name());
        let came_in = rag::INPUT_CHUNKS.name();
        if let (Some(filtered), Some(input)) = (filtered, context.int(came_in))
            && filtered != input
        {
            let mut check = Check {
                span: context,
                findings,
            };
            check.wrong(
                came_in,
                &format!("is {input}, but {filtered} chunks were left after the threshold"),
                &filtered,
            );
        }
    }
    if let (Some(generate), Some(response)) = (went_well(GENERATE), found[RESPONSE]) {
        let mut check = Check {
            span: generate,
            findings,
        };
        let text = response.int(llm::RESPONSE_CHARS.name()).unwrap_or(0);
        if is_streamed(generate) && text > 0 && generate.attributes.contains_key(llm::STREAM.name())
        {
            check.has(llm::TIME_TO_FIRST_TOKEN.name(), "the answer was streamed");
        }
        for key in [
            llm::TOKENS_PROMPT,
            llm::TOKENS_COMPLETION,
            llm::TOKENS_TOTAL,
        ] {
            let (asked, answered) = (generate.int(key.name()), response.int(key.name()));
            let mut check = Check {
                span: response,
                findings,
            };
            match (asked, answered) {
                (Some(asked), Some(answered)) if asked != answered => {
                    check.wrong(
                        key.name(),
                        &format!("is {answered}, but {asked} on `{}`", generate.name),
                        &asked,
                    );
                }
                (Some(_), None) => check.has(key.name(), "the other span has it"),
                _ => {}
            }
        }
    }
}

struct Check<'a> {
    span: &'a CapturedSpan,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn has(&mut self, name: &str, since: &str) {
        if !self.span.attributes.contains_key(name) {
            self.findings.span(
                FindingId::MissingAttribute,
                &self.span.name,
                format!("`{name}` is missing, though {since}"),
                "set it whenever it is known",
            );
        }
    }

    fn wrong(&mut self, name: &str, how: &str, right: &dyn std::fmt::Display) {
        self.findings.span(
            FindingId::WrongValue,
            &self.span.name,
            format!("`{name}` {how}"),
            format!("write {right}"),
        );
    }

    /// Scores are there exactly when there are results, the least first.
    fn scores(&mut self, count: &str, scores: [&str; 3]) {
        let Some(count) = self.span.int(count) else {
            return;
        };
        for name in scores {
            if count > 0 {
                self.has(name, "there are results");
            } else if self.span.attributes.contains_key(name) {
                self.wrong(
                    name,
                    "is there, but no result is",
                    &"no score without results",
                );
            }
        }
        let values = scores.map(|name| self.span.double(name));
        for at in 0..2 {
            // Mean values are rounded.
            if let (Some(less), Some(more)) = (values[at], values[at + 1])
                && less > more + 1e-6
            {
                let how = format!("is {less}, more than `{}`", scores[at + 1]);
                self.wrong(
                    scores[at],
                    &how,
                    &"the lowest, the mean and the highest score",
                );
            }
        }
    }

    fn at_most(&mut self, less: &str, more: &str) {
        if let (Some(low), Some(high)) = (self.span.int(less), self.span.int(more))
            && low > high
        {
            let how = format!("is {low}, more than `{more}`");
            self.wrong(less, &how, &format!("at most {high}"));
        }
    }

    fn threshold(&mut self, name: &str) {
        if let Some(value) = self
            .span
            .double(name)
            .filter(|value| !(0.0..=1.0).contains(value))
        {
            self.wrong(name, &format!("is {value}"), &"a number from 0 to 1");
        }
    }

    fn streamed_only(&mut self, name: &str) {
        if matches!(
            self.span.attributes.get(name),
            Some(AttributeValue::Double(_))
        ) {
            self.wrong(
                name,
                "is there, but the answer was not streamed",
                &"it for streamed answers alone",
            );
        }
    }
}
