//! A typed span asks for what the schema requires, and ends by itself: `#[in_span]` wraps a
//! function in one, and an `Err` that the function returns is on it.
//!
//! Run it with `cargo run -p llasta-examples --example 03_macros`. It prints:
//!
//! ```text
//! Ok([0.91, 0.62])
//! Err(ParseFloatError { kind: Invalid })
//! rag.build_context        INTERNAL  chatbot-rag
//! ├─ rag.retrieve_context  INTERNAL  chatbot-rag
//! └─ rag.retrieve_context  INTERNAL  chatbot-rag  ✗ ParseFloatError
//! error.message = "invalid float literal"
//! error.type = "ParseFloatError"
//! gen_ai.operation.name = "retrieval"
//! gen_ai.retrieval.top_k = 5
//! rag.min_score = 0.5
//! rag.top_k = 5
//! ```

use std::num::ParseFloatError;

use llasta_telemetry::in_span;
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::testing::{Recorder, Waterfall};

/// What is always there is an argument, and what is optional a method of `span`.
#[in_span(RetrieveContext::start(5, 0.5))]
fn retrieve(scores: &str) -> Result<Vec<f64>, ParseFloatError> {
    let scores: Vec<f64> = scores
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    span.results_raw_count(scores.len());
    Ok(scores.into_iter().filter(|score| *score >= 0.5).collect())
}

fn main() {
    let seen = Recorder::new("chatbot-rag");
    // In a service the span of the request is current, and `start` finds its telemetry there.
    let request = BuildContext::start_in(seen.telemetry(), 3, 4000);
    request.in_scope(|| {
        println!("{:?}", retrieve("0.91 0.62 0.31"));
        println!("{:?}", retrieve("0.91 high"));
    });
    // What is known only at the end comes last.
    request.finish(2, 1830);

    print!("{}", Waterfall::new(&seen.spans()).without_times());
    for (name, value) in &seen.spans()[1].attributes {
        println!("{name} = {value}");
    }
}
