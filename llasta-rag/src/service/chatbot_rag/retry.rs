//! Asking again when no connection came about, and only then.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

/// The longest wait before the second attempt; each further one may wait twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait of all.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How often a request may be sent again: a request extension. Without it, not at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resend(pub(super) u32);

/// Sends a request again whose connection failed, as often as its [`Resend`] says.
///
/// A request that had a connection may have been read, and an answer that is lost may have been
/// generated already: nothing but the failure to connect is tried again. It stands in front of the
/// telemetry, so each attempt has a CLIENT span of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryConnect;

#[async_trait]
impl Middleware for RetryConnect {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let resends = extensions.get::<Resend>().map_or(0, |resend| resend.0);
        for attempt in 0..resends {
            // A body that is a stream can be sent once.
            let Some(again) = request.try_clone() else {
                break;
            };
            match next.clone().run(request, extensions).await {
                Err(error) if never_connected(&error) => {
                    tracing::debug!(%error, attempt, "no connection: it is tried again");
                }
                settled => return settled,
            }
            tokio::time::sleep(wait(attempt)).await;
            request = again;
        }
        next.run(request, extensions).await
    }
}

/// Whether not a byte of the request left.
fn never_connected(error: &Error) -> bool {
    matches!(error, Error::Reqwest(error) if error.is_connect())
}

/// A wait drawn evenly from the upper half of a range that doubles with each attempt: those who
/// failed together do not come back together.
fn wait(attempt: u32) -> Duration {
    let most = FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(LONGEST_WAIT);
    // The standard library's hasher is keyed at random.
    let drawn = RandomState::new().hash_one(attempt);
    most.mul_f64(0.5 + 0.5 * (drawn as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_differ_and_are_bounded() {
        for (attempt, most) in [(0, 0.1), (1, 0.2), (2, 0.4), (10, 2.0), (u32::MAX, 2.0)] {
            let waits: Vec<_> = (0..20).map(|_| wait(attempt).as_secs_f64()).collect();
            let within = |wait: &f64| (most / 2.0..=most).contains(wait);
            assert!(waits.iter().all(within), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
    }
}
