//! A label set is closed: no data, no value twice, nothing but an enum.

use llasta_telemetry::schema::LabelSet;

#[derive(Clone, Copy, LabelSet)]
enum Status {
    Good,
    Code(u16),
    #[label("good")]
    Fine,
}

#[derive(Clone, Copy, LabelSet)]
struct Path;

fn main() {}
