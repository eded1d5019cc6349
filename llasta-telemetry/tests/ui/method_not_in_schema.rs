//! An attribute that the span's schema does not list has no method.

use llasta_telemetry::schema::rag::BuildContext;

fn main() {
    let span = BuildContext::start(3, 4000);
    span.score_avg(0.5);
}
