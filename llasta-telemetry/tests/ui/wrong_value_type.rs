//! A double where the key is an int, and the reverse.

use llasta_telemetry::schema::rag::RetrieveContext;

fn main() {
    let span = RetrieveContext::start(5.0, 0.5);
    span.score_avg(1);
}
