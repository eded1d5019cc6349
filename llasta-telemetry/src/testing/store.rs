//! Where captured spans lie, and how to wait for more of them.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::CapturedSpan;

#[derive(Debug, Default)]
pub(super) struct Store {
    spans: Mutex<Vec<CapturedSpan>>,
    arrived: Notify,
}

impl Store {
    pub(super) fn add(&self, spans: impl IntoIterator<Item = CapturedSpan>) {
        self.lock().extend(spans);
        self.arrived.notify_waiters();
    }

    pub(super) fn spans(&self) -> Vec<CapturedSpan> {
        self.lock().clone()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn take(&self) -> Vec<CapturedSpan> {
        std::mem::take(&mut *self.lock())
    }

    /// Comes back with what is there as soon as `enough` says so, or when the deadline has passed.
    pub(super) async fn wait_until(
        &self,
        mut enough: impl FnMut(&[CapturedSpan]) -> bool,
        deadline: Duration,
    ) -> Vec<CapturedSpan> {
        let wait = async {
            loop {
                // Listening begins before the look, so nothing can arrive unnoticed in between.
                let mut arrived = pin!(self.arrived.notified());
                arrived.as_mut().enable();
                if enough(&self.lock()) {
                    return;
                }
                arrived.await;
            }
        };
        // Too late is no error here: the caller looks at what has come.
        let _ = tokio::time::timeout(deadline, wait).await;
        self.spans()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<CapturedSpan>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
