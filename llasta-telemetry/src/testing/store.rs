//! Where what was captured lies, and how to wait for more of it.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Store<T> {
    kept: Mutex<T>,
    changed: Notify,
}

impl<T> Store<T> {
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Comes back as soon as `enough` says so, or when the deadline has passed.
    pub(super) async fn wait_until(&self, mut enough: impl FnMut(&T) -> bool, deadline: Duration) {
        let wait = async {
            loop {
                // Listening begins before the look, so nothing can arrive unnoticed in between.
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                if enough(&self.lock()) {
                    return;
                }
                changed.await;
            }
        };
        // Too late is no error here: the caller looks at what has come.
        let _ = tokio::time::timeout(deadline, wait).await;
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
