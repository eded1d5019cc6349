//! How many texts a second a neural model embeds on this machine.
//!
//! ```text
//! cargo run --release -p llasta-rag --features candle --example embed_speed -- FOLDER [THREADS] [f32|bf16] [BATCH]...
//! ```
//!
//! Prints a markdown table: for batches of 1, 8 and 32 texts of 128 tokens the median time of a batch
//! and the texts per second. `benches/retrieval/embed_speed.py` prints the same for `PyTorch` with the
//! same texts; it can run this program between its own rounds, so that both see the same machine.

#![allow(clippy::print_stdout)]

use std::num::NonZeroUsize;
use std::time::Instant;

use llasta_rag::embed::{EmbedError, Embedder, Kinds, NeuralEmbedder, NeuralOptions};

const TOKENS: usize = 128;
const BATCHES: [usize; 3] = [1, 8, 32];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().ok_or("give the folder of a model")?;
    let threads: Option<NonZeroUsize> = arguments.next().map(|text| text.parse()).transpose()?;
    let weights = arguments
        .next()
        .map_or(Ok(Default::default()), |text| text.parse())?;
    let options = NeuralOptions {
        weights,
        threads,
        ..NeuralOptions::default()
    };
    let loading = Instant::now();
    let embedder = NeuralEmbedder::open(&model, &options)?;
    eprintln_loaded(&embedder, loading);
    println!("| batch | ms per batch | texts per second |\n|---:|---:|---:|");
    let given = arguments
        .map(|text| text.parse())
        .collect::<Result<Vec<_>, _>>()?;
    for batch in if given.is_empty() {
        BATCHES.to_vec()
    } else {
        given
    } {
        let milliseconds = median(&embedder, batch)? * 1000.0;
        let rate = batch as f64 * 1000.0 / milliseconds;
        println!("| {batch} | {milliseconds:.1} | {rate:.1} |");
    }
    Ok(())
}

#[allow(clippy::print_stderr)]
fn eprintln_loaded(embedder: &NeuralEmbedder, since: Instant) {
    eprintln!(
        "{}, {} dimensions, loaded in {:.1} s",
        embedder.model(),
        embedder.dimension(),
        since.elapsed().as_secs_f64()
    );
}

/// The median time of a batch in seconds, over three seconds and at least three batches.
fn median(embedder: &NeuralEmbedder, batch: usize) -> Result<f64, EmbedError> {
    let text = text_of(embedder);
    let texts = vec![text.as_str(); batch];
    let tokens = embedder.embed_kinds(&texts, Kinds::DENSE)?[0].tokens;
    assert_eq!(
        tokens, TOKENS,
        "the text is not of the length that is measured"
    );
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || begun.elapsed().as_secs_f64() < 3.0 {
        let start = Instant::now();
        embedder.embed(&texts)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// A text of as many tokens as are measured, with the two that the model adds.
fn text_of(embedder: &NeuralEmbedder) -> String {
    let words = [" one", " two", " six", " ten", " a", ".", "e"];
    let mut text = String::new();
    let mut cycle = 0;
    while embedder.count_tokens(&text) < TOKENS - 2 && cycle < 1000 {
        let fits = words
            .iter()
            .cycle()
            .skip(cycle % words.len())
            .take(words.len());
        let mut longer = fits.map(|word| format!("{text}{word}"));
        let most = |text: &String| embedder.count_tokens(text) <= TOKENS - 2;
        match longer.find(most) {
            Some(longer) => text = longer,
            None => break,
        }
        cycle += 1;
    }
    text
}
