//! One operation in a loop.

use super::Proof;
use crate::measure::Subject;

/// An operation that needs nothing made ready.
pub struct Repeat {
    operation: Box<dyn FnMut(usize)>,
    proof: Proof,
}

impl std::fmt::Debug for Repeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeat").finish_non_exhaustive()
    }
}

impl Repeat {
    /// `operation` is told how often to do it: the loop is its own, so that it can be inlined.
    pub fn new(operation: impl FnMut(usize) + 'static, proof: Proof) -> Self {
        Self {
            operation: Box::new(operation),
            proof,
        }
    }
}

impl Subject for Repeat {
    fn batch(&mut self, count: usize) -> Box<dyn FnOnce() + '_> {
        Box::new(move || (self.operation)(count))
    }

    fn settle(&mut self) {
        self.proof.settle();
    }

    fn verify(&mut self, operations: u64) {
        self.proof.verify(operations);
    }
}
