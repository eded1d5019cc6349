//! `llasta migrate`: items from a folder to Milvus or back, with their vectors as they are.
//!
//! Items are read page by page and written where the other side does not have them already, so a run that was
//! cut off goes on when it is started again, and a second one writes nothing. Nothing is deleted anywhere.
//! In the end both sides are counted, and a sample of searches is compared. `side.rs` is either side.

mod side;

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use llasta_rag::store::StoredItem;

use self::side::{Found, Side};
use super::args::MigrateArgs;
use super::failure::Failure;

/// Items of a page.
const PAGE: usize = 256;

/// Results of each search that is compared.
const RESULTS: usize = 10;

/// How much the same score may differ where two programs compute it.
const TOLERANCE: f32 = 1e-4;

/// The share of the results that a search must find again. An index that compares with every vector finds
/// all, a graph or lists miss some; where vectors were mixed up nearly all are missed.
const LEAST_RECALL: f64 = 0.9;

pub(super) async fn run(arguments: MigrateArgs) -> Result<(), Failure> {
    let migrated = tokio::task::spawn_blocking(move || migrate(&arguments));
    migrated
        .await
        .map_err(|error| Failure::of("the migration broke off", &error))?
}

fn migrate(arguments: &MigrateArgs) -> Result<(), Failure> {
    let MigrateArgs { from, to, .. } = arguments;
    if from == to {
        return Err(Failure::setting(format!(
            "--from and --to are the same place, {from}"
        )));
    }
    let began = Instant::now();
    let source = Side::open(from, arguments)?;
    let space = source.space()?;
    let target = Side::open_for(to, arguments, &space)?;
    let items = source.count()?;

    let bar = bar(items);
    let moved = copy(&source, &target, items, arguments.sample, &bar);
    bar.finish_and_clear();
    let moved = moved?;
    println!(
        "{} items of {space} from {from} to {to} in {:.1} s: {} written, {} were there",
        moved.written + moved.there,
        began.elapsed().as_secs_f64(),
        moved.written,
        moved.there,
    );
    verify(&source, &target, &moved)
}

/// What became of the items.
#[derive(Debug, Default)]
struct Moved {
    written: usize,
    there: usize,
    /// Some of them, spread over all.
    sample: Vec<StoredItem>,
}

fn copy(
    source: &Side,
    target: &Side,
    items: usize,
    sample: usize,
    bar: &ProgressBar,
) -> Result<Moved, Failure> {
    let every = (items / sample).max(1);
    let mut moved = Moved::default();
    // An empty target has nothing to compare with.
    let compare = target.count()? > 0;
    let mut last = 0;
    loop {
        let page = source.page(last, PAGE)?;
        let Some(&(end, _)) = page.last() else { break };
        last = end;
        let page: Vec<_> = page.into_iter().map(|(_, item)| item).collect();
        let (all, done) = (page.len(), moved.written + moved.there);
        let spread = page.iter().enumerate();
        let spread = spread.filter(|(at, _)| (done + at).is_multiple_of(every));
        let room = sample.saturating_sub(moved.sample.len());
        moved
            .sample
            .extend(spread.take(room).map(|(_, item)| item.clone()));
        let missing = if compare { target.lacks(page)? } else { page };
        target.write(&missing)?;
        moved.written += missing.len();
        moved.there += all - missing.len();
        bar.inc(all as u64);
    }
    Ok(moved)
}

/// Whether the target has what the source has: by their numbers, the sample by its content, and by what
/// searches for its vectors find.
fn verify(source: &Side, target: &Side, moved: &Moved) -> Result<(), Failure> {
    let items = moved.written + moved.there;
    let (left, right) = (source.count()?, target.count()?);
    if right < items {
        return Err(Failure::new(format!(
            "the target has {right} items, and {items} came from the source: start the migration again"
        )));
    }
    if left != items {
        eprintln!(
            "The source has {left} items by now: somebody writes to it. Start the migration again for the rest."
        );
    }
    let lacking = target.lacks(moved.sample.clone())?.len();
    if lacking > 0 {
        return Err(Failure::new(format!(
            "{lacking} of {} sampled items are not in the target as they are in the source: start the migration again",
            moved.sample.len()
        )));
    }
    let queries: Vec<_> = moved.sample.iter().map(|item| &item.vector[..]).collect();
    let expected = source.nearest_exactly(&queries, RESULTS)?;
    let found = target.nearest(&queries, RESULTS)?;
    let recall = recall(&expected, &found);
    if recall < LEAST_RECALL {
        return Err(Failure::new(format!(
            "searches of the target find {recall:.3} of what they should find: its index may still be building; start the migration again later, which writes nothing that is there"
        )));
    }
    println!(
        "  verified: {right} items in the target, {} searches for {RESULTS} results with a recall of {recall:.3}; nothing was deleted at the source",
        queries.len()
    );
    if right > items {
        println!("  {} of them were there before", right - items);
    }
    Ok(())
}

/// Which share of the expected results was found, or another one that is as good.
fn recall(expected: &[Vec<Found>], found: &[Vec<Found>]) -> f64 {
    let (mut hits, mut all) = (0_usize, 0_usize);
    for (expected, found) in expected.iter().zip(found) {
        all += expected.len();
        for (place, wanted) in expected.iter().enumerate() {
            let there = found.iter().any(|found| found.id == wanted.id);
            let as_good = found
                .get(place)
                .is_some_and(|found| found.score >= wanted.score - TOLERANCE);
            hits += usize::from(there || as_good);
        }
    }
    if all == 0 {
        1.0
    } else {
        hits as f64 / all as f64
    }
}

fn bar(items: usize) -> ProgressBar {
    let bar = ProgressBar::new(items as u64);
    // The template is a constant that a test of the command line has seen.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {pos}/{len} items, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &[(&str, f32)]) -> Vec<Found> {
        let found = ids.iter().map(|(id, score)| Found {
            id: (*id).to_owned(),
            score: *score,
        });
        found.collect()
    }

    #[test]
    fn recall_counts_what_is_found_or_as_good() {
        let expected = [list(&[("a", 1.0), ("b", 0.5)]), list(&[("c", 1.0)])];
        assert!((recall(&expected, &expected) - 1.0).abs() < 1e-9);
        // A tie may go to another one, and what is worse is none.
        let tie = [list(&[("a", 1.0), ("x", 0.5)]), list(&[("d", 0.9)])];
        assert!((recall(&expected, &tie) - 2.0 / 3.0).abs() < 1e-9);
        assert!(recall(&expected, &[vec![], vec![]]) < 1e-9);
    }
}
