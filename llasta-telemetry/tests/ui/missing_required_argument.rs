//! An attribute that is always present is left out.

use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};

fn main() {
    let _retrieve = RetrieveContext::start(5);
    BuildContext::start(3, 4000).finish(2);
}
