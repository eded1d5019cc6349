//! What is said of the scores of several results.

use super::SearchResult;

/// Lowest, highest and mean score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// The mean.
    pub avg: f64,
}

impl Scores {
    /// The scores of these results; `None` when there are none.
    pub fn of(results: &[SearchResult]) -> Option<Self> {
        let scores = || results.iter().map(|result| f64::from(result.score));
        let min = scores().reduce(f64::min)?;
        let max = scores().reduce(f64::max)?;
        Some(Self {
            min,
            max,
            avg: scores().sum::<f64>() / results.len() as f64,
        })
    }
}
