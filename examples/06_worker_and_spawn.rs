//! Work that leaves its task or thread takes the current span along when it is told to: `carry`
//! for futures, `carry_fn` for closures, `Scope` for closures that run many times.
//!
//! Run it with `cargo run -p llasta-examples --example 06_worker_and_spawn`. It prints:
//!
//! ```text
//! faiss.search          INTERNAL  indexer
//! ├─ rag.build_context  INTERNAL  indexer
//! ├─ faiss.embed_query  INTERNAL  indexer
//! ├─ faiss.embed_query  INTERNAL  indexer
//! └─ faiss.embed_query  INTERNAL  indexer
//! ```

use std::error::Error;
use std::time::Duration;

use llasta_telemetry::context::{Scope, carry, carry_fn};
use llasta_telemetry::schema::faiss::{EmbedQuery, Search};
use llasta_telemetry::schema::rag::BuildContext;
use llasta_telemetry::testing::{Recorder, Waterfall};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

fn embed(text: &str) -> usize {
    let _span = EmbedQuery::start("BAAI/bge-m3", 1024, text.chars().count());
    text.len()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Time passes with each look at the clock, so that what comes first begins first.
    let seen = Recorder::builder("indexer")
        .step(Duration::from_millis(1))
        .build();
    let search = Search::start_in(seen.telemetry(), 5, 18_234);

    let work = async {
        // A task of its own.
        tokio::spawn(carry(async { BuildContext::start(1, 10).finish(1, 3) })).await?;
        // A thread for what blocks.
        tokio::task::spawn_blocking(carry_fn(|| embed("blocking"))).await?;
        // The threads of a pool: the scope is taken here, and entered there.
        let scope = Scope::current();
        let texts = ["one", "two"];
        texts.par_iter().for_each(|text| {
            scope.in_scope(|| embed(text));
        });
        // Nobody told this one: its span is not in the trace, and here it is not even kept.
        tokio::spawn(async { BuildContext::start(1, 10).finish(1, 3) }).await
    };
    search.run(work).await?;
    search.finish(5);

    print!("{}", Waterfall::new(&seen.spans()).without_times());
    Ok(())
}
