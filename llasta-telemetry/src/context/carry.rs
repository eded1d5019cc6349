//! Taking the current context along, into tasks and onto threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Scope;

/// A future that sees the context that is current now: for `tokio::spawn`, `JoinSet::spawn` and
/// the like.
///
/// ```
/// # async fn work() {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// tokio::spawn(llasta_telemetry::context::carry(work())).await.unwrap();
/// # }
/// ```
pub fn carry<F: Future>(future: F) -> Carried<F> {
    Carried::new(Scope::current(), future)
}

/// A closure that sees the context that is current now: for `tokio::task::spawn_blocking`,
/// `std::thread::spawn` and `rayon::spawn`.
///
/// ```
/// # fn search() -> usize { 3 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let found = tokio::task::spawn_blocking(llasta_telemetry::context::carry_fn(search)).await;
/// # assert_eq!(found.unwrap(), 3);
/// # }
/// ```
pub fn carry_fn<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let scope = Scope::current();
    move || {
        let _entered = scope.enter();
        work()
    }
}

pin_project! {
    /// A future that runs in a context of its own, in each poll and when it is dropped.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Carried<F> {
        #[pin]
        future: Option<F>,
        scope: Scope,
    }

    impl<F> PinnedDrop for Carried<F> {
        // What the future holds may record while it is dropped: that belongs to the scope too.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let _entered = this.scope.enter();
            let mut future = this.future;
            future.set(None);
        }
    }
}

impl<F> Carried<F> {
    /// Wraps a future so that it sees the given context.
    pub fn new(scope: Scope, future: F) -> Self {
        Self {
            future: Some(future),
            scope,
        }
    }
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.scope.enter();
        match this.future.as_pin_mut() {
            Some(future) => future.poll(task),
            None => Poll::Pending,
        }
    }
}
