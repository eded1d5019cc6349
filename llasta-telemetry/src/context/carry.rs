//! Taking the current context along, into tasks and onto threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Scope;

/// A future that sees the context that is current now: for `tokio::spawn` and `JoinSet::spawn`.
///
/// ```
/// use llasta_telemetry::context::carry;
///
/// # async fn embed(_: &str) {}
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// tokio::spawn(carry(embed("one"))).await.unwrap();
///
/// let mut tasks = tokio::task::JoinSet::new();
/// for text in ["two", "three"] {
///     tasks.spawn(carry(embed(text)));
/// }
/// tasks.join_all().await;
/// # }
/// ```
pub fn carry<F: Future>(future: F) -> Carried<F> {
    Carried::new(Scope::current(), future)
}

/// A closure that sees the context that is current now: for `spawn_blocking`, threads, scoped or
/// not, and the functions of rayon that run a closure once.
///
/// ```
/// use llasta_telemetry::context::carry_fn;
///
/// # fn search() -> usize { 3 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let found = tokio::task::spawn_blocking(carry_fn(search)).await.unwrap();
///
/// let mut tasks = tokio::task::JoinSet::new();
/// tasks.spawn_blocking(carry_fn(search));
///
/// let found = std::thread::spawn(carry_fn(search)).join().unwrap();
///
/// let (left, right) = rayon::join(carry_fn(search), carry_fn(search));
/// # assert_eq!(found + left + right, 9);
/// # assert_eq!(tasks.join_all().await, [3]);
/// # }
/// ```
///
/// A closure that runs more than once, as those of parallel iterators do, takes a
/// [`Scope`] along instead: see [`Scope::in_scope`].
pub fn carry_fn<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let scope = Scope::current();
    move || scope.in_scope(work)
}

impl Scope {
    /// Runs a closure with this as what is current: for closures that run many times and on many
    /// threads.
    ///
    /// ```
    /// use llasta_telemetry::context::Scope;
    /// use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
    ///
    /// # fn embed(text: &str) -> usize { text.len() }
    /// let texts = ["one", "two", "three"];
    /// let scope = Scope::current();
    /// let vectors: Vec<_> = texts
    ///     .par_iter()
    ///     .map(|text| scope.in_scope(|| embed(text)))
    ///     .collect();
    /// # assert_eq!(vectors, [3, 3, 5]);
    /// ```
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
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
