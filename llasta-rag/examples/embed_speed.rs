//! How many texts a second a neural model embeds on this machine.
//!
//! ```text
//! cargo run --release -p llasta-rag --features candle --example embed_speed -- FOLDER
//!     [--threads N] [--dtype f32|bf16|f16] [--device cpu|cuda:N] [--tokens N]... [--batch N]... [--peak TFLOPS]
//! ```
//!
//! Prints a markdown table: for texts of 128 tokens in batches of 1, 8 and 32, or whatever else was asked
//! for, the median time of a batch, the texts per second, the floating-point operations per second, and
//! with `--peak` which share that is of what the device can do. On a GPU (feature `cuda`) the texts have
//! 128, 512 and 8,192 tokens, as far as the model reads them, and the batches 1, 32 and 256.
//! `benches/retrieval/embed_speed.py` prints the same for `PyTorch` with the same texts; it can run this
//! program between its own rounds, so that both see the same machine.

#![allow(clippy::print_stdout)]

use std::num::NonZeroUsize;
use std::time::Instant;

use llasta_rag::Device;
use llasta_rag::embed::{Embedder, Kinds, NeuralEmbedder, NeuralOptions, WeightType};
use serde::Deserialize;

type Failure = Box<dyn std::error::Error>;

/// What was asked for.
#[derive(Debug, Default)]
struct Wanted {
    model: String,
    threads: Option<NonZeroUsize>,
    weights: Option<WeightType>,
    device: Option<Device>,
    tokens: Vec<usize>,
    batches: Vec<usize>,
    /// What the device can do, in 10^12 floating-point operations a second.
    peak: Option<f64>,
}

impl Wanted {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            if !argument.starts_with("--") {
                wanted.model = argument;
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("give a value after {argument}"))?;
            match argument.as_str() {
                "--threads" => wanted.threads = Some(value.parse()?),
                "--dtype" => wanted.weights = Some(value.parse()?),
                "--device" => wanted.device = Some(value.parse()?),
                "--tokens" => wanted.tokens.push(value.parse()?),
                "--batch" => wanted.batches.push(value.parse()?),
                "--peak" => wanted.peak = Some(value.parse()?),
                _ => return Err(format!("unknown argument {argument}").into()),
            }
        }
        if wanted.model.is_empty() {
            return Err("give the folder of a model".into());
        }
        let gpu = matches!(wanted.device, Some(Device::Cuda(_)));
        let or = |given: &mut Vec<usize>, usual: &[usize]| {
            if given.is_empty() {
                given.extend_from_slice(usual);
            }
        };
        or(
            &mut wanted.tokens,
            if gpu { &[128, 512, 8192] } else { &[128] },
        );
        or(
            &mut wanted.batches,
            if gpu { &[1, 32, 256] } else { &[1, 8, 32] },
        );
        Ok(wanted)
    }
}

fn main() -> Result<(), Failure> {
    let wanted = Wanted::read(std::env::args().skip(1))?;
    let options = NeuralOptions {
        device: wanted.device.unwrap_or(Device::Cpu),
        weights: wanted.weights,
        threads: wanted.threads,
        batch_tokens: None,
    };
    let shape = Shape::read(&wanted.model)?;
    let loading = Instant::now();
    let embedder = NeuralEmbedder::open(&wanted.model, &options)?;
    eprintln_loaded(&embedder, loading);
    let share = if wanted.peak.is_some() {
        " share of peak |"
    } else {
        ""
    };
    println!("| tokens | batch | ms per batch | texts per second | TFLOP/s |{share}");
    println!(
        "|---:|---:|---:|---:|---:|{}",
        if share.is_empty() { "" } else { "---:|" }
    );
    let most = embedder.max_tokens().map_or(usize::MAX, |most| most + 2);
    for &tokens in wanted.tokens.iter().filter(|&&tokens| tokens <= most) {
        for &batch in &wanted.batches {
            let seconds = median(&embedder, tokens, batch)?;
            let rate = batch as f64 / seconds;
            let tera = shape.operations(tokens) * rate / 1e12;
            print!(
                "| {tokens} | {batch} | {:.1} | {rate:.1} | {tera:.2} |",
                seconds * 1000.0
            );
            match wanted.peak {
                Some(peak) => println!(" {:.1} % |", tera / peak * 100.0),
                None => println!(),
            }
        }
    }
    Ok(())
}

/// What the number of operations depends on.
#[derive(Debug, Deserialize)]
struct Shape {
    hidden_size: f64,
    num_hidden_layers: f64,
    intermediate_size: f64,
}

impl Shape {
    fn read(model: &str) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(std::path::Path::new(model).join("config.json"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Of one text's matrix products, two for each multiplication and addition: four square ones and
    /// two of the feed-forward part for each token, and two of attention for each pair of tokens.
    fn operations(&self, tokens: usize) -> f64 {
        let tokens = tokens as f64;
        let token = 4.0 * self.hidden_size + 2.0 * self.intermediate_size + 2.0 * tokens;
        2.0 * self.num_hidden_layers * self.hidden_size * tokens * token
    }
}

#[allow(clippy::print_stderr)]
fn eprintln_loaded(embedder: &NeuralEmbedder, since: Instant) {
    eprintln!(
        "{}, {} dimensions, on {}, loaded in {:.1} s",
        embedder.model(),
        embedder.dimension(),
        embedder.device(),
        since.elapsed().as_secs_f64()
    );
}

/// The median time of a batch in seconds, over three seconds and at least three batches.
fn median(embedder: &NeuralEmbedder, tokens: usize, batch: usize) -> Result<f64, Failure> {
    let text = text_of(embedder, tokens);
    let texts = vec![text.as_str(); batch];
    let read = embedder.embed_kinds(&texts, Kinds::DENSE)?[0].tokens;
    assert_eq!(
        read, tokens,
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

/// A text of so many tokens, with the two that the model adds.
fn text_of(embedder: &NeuralEmbedder, tokens: usize) -> String {
    let words = [" one", " two", " six", " ten", " a", ".", "e"];
    let most = tokens - 2;
    let mut text = String::new();
    let mut count = 0;
    for cycle in 0.. {
        // Of long texts most at once: counting begins at the front every time.
        let front = (most - count) / 64;
        for word in words.iter().cycle().skip(cycle).take(front) {
            text.push_str(word);
        }
        let fits = words.iter().cycle().skip(cycle % words.len());
        let mut longer = fits
            .take(words.len())
            .map(|word| format!("{text}{word}"))
            .filter(|text| embedder.count_tokens(text) <= most);
        match longer.next() {
            Some(longer) => text = longer,
            None => break,
        }
        count = embedder.count_tokens(&text);
        if count == most {
            break;
        }
    }
    text
}
