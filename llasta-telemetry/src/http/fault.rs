//! What kind of error a service or a body gave.

use std::any::Any;
use std::error::Error;
use std::io;

type BoxError = Box<dyn Error + Send + Sync>;

/// `timeout` for an error that a time-out layer made, wherever in its chain of causes, and
/// `otherwise` for all others.
pub(super) fn kind<E: 'static>(error: &E, otherwise: &'static str) -> &'static str {
    let mut cause = first(error);
    while let Some(error) = cause {
        if is_timeout(error) {
            return "timeout";
        }
        // An I/O error hides what it was made of.
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = inside.map(|error| error as _).or_else(|| error.source());
    }
    otherwise
}

/// The errors of tower's stacks are boxed, those of axum's bodies wrapped; others are looked at as
/// they are.
fn first(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    if let Some(boxed) = error.downcast_ref::<BoxError>() {
        return Some(&**boxed);
    }
    #[cfg(feature = "axum")]
    if let Some(error) = error.downcast_ref::<axum::Error>() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<tower::timeout::error::Elapsed>() {
        return Some(error);
    }
    None
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    error.is::<tower::timeout::error::Elapsed>()
        || error.is::<tokio::time::error::Elapsed>()
        || error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}
