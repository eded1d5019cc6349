//! Passing on what came to another collector.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::Request;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::transport::{Channel, Endpoint};

use super::Export;
use crate::error::{Error, ErrorKind};
use crate::testing::receiver::lock;

/// How long the collector behind this one may take, less than an exporter waits for us.
pub(in crate::testing) const FORWARD_DEADLINE: Duration = Duration::from_secs(5);

/// What became of what was passed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Forwarded {
    /// The spans.
    pub spans: Tally,
    /// The log records.
    pub logs: Tally,
    /// The data points of metrics.
    pub points: Tally,
    /// Why something was not taken, the last time.
    pub last_error: Option<String>,
}

impl Forwarded {
    /// How much of all signals could not be passed on.
    pub fn failed(&self) -> u64 {
        self.spans.failed + self.logs.failed + self.points.failed
    }
}

/// What became of one signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// What the next collector took.
    pub passed: u64,
    /// What it refused, or what could not be sent in time.
    pub failed: u64,
}

/// The way to the other collector. Clones are the same.
#[derive(Debug, Clone)]
pub(in crate::testing) struct Forward {
    channel: Channel,
    forwarded: Arc<Mutex<Forwarded>>,
}

impl Forward {
    /// Connects with the first request. Without a scheme the endpoint is `http`.
    pub(in crate::testing) fn to(endpoint: &str) -> Result<Self, Error> {
        let uri = if endpoint.contains("://") {
            endpoint.to_owned()
        } else {
            format!("http://{endpoint}")
        };
        let endpoint = Endpoint::from_shared(uri).map_err(|error| {
            let text =
                format!("`{endpoint}` is no collector: give an address such as http://host:4317");
            Error::new(ErrorKind::Config, text, error)
        })?;
        Ok(Self {
            channel: endpoint.timeout(FORWARD_DEADLINE).connect_lazy(),
            forwarded: Arc::default(),
        })
    }

    pub(in crate::testing) fn forwarded(&self) -> Forwarded {
        lock(&self.forwarded).clone()
    }

    pub(super) async fn pass_on<E: Export>(&self, metadata: &MetadataMap, message: E) {
        let size = message.size();
        let mut request = Request::new(message);
        *request.metadata_mut() = end_to_end(metadata);
        let (failed, error) = match E::send(self.channel.clone(), request).await {
            Err(status) => (size, status.to_string()),
            Ok((rejected, why)) => (u64::try_from(rejected).unwrap_or(0).min(size), why),
        };
        let mut forwarded = lock(&self.forwarded);
        let tally = E::tally(&mut forwarded);
        tally.passed += size - failed;
        tally.failed += failed;
        if !error.is_empty() {
            forwarded.last_error = Some(error);
        }
    }
}

/// The headers that are the sender's own, such as an API key; without those of this connection
/// and of the message as it came.
fn end_to_end(metadata: &MetadataMap) -> MetadataMap {
    const HOP: [&str; 13] = [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    let mut kept = MetadataMap::new();
    for pair in metadata.iter() {
        match pair {
            KeyAndValueRef::Ascii(key, value) => {
                if !key.as_str().starts_with("grpc-") && !HOP.contains(&key.as_str()) {
                    kept.append(key.clone(), value.clone());
                }
            }
            KeyAndValueRef::Binary(key, value) => {
                kept.append_bin(key.clone(), value.clone());
            }
        }
    }
    kept
}
