//! The attribute does not know which span to start.

#[llasta_telemetry::in_span]
fn build() {}

fn main() {
    build();
}
