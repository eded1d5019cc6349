//! Floor 3: server telemetry for any `tower` stack.
//!
//! One layer opens the SERVER span, counts the request, times it, keeps the in-flight gauge and
//! writes the access line, and settles all of them once: at the last byte, at the body's error, or
//! when the request is dropped because the client left or the handler panicked. Other layers
//! stop at the response's head: a stream that lasts a minute looks like a millisecond to them, and
//! a client that hangs up leaves their gauge raised for good.

mod access;
mod body;
mod exchange;
mod fault;
mod future;
mod hook;
mod inner;
mod intern;
mod layer;
mod metrics;
#[cfg(feature = "axum")]
mod page;
mod request;
mod route;
mod service;
mod service_metrics;

pub use self::body::ResponseBody;
pub use self::exchange::Failure;
pub use self::future::ResponseFuture;
pub use self::hook::{Attributes, RequestHead, ResponseHead};
pub use self::layer::TelemetryLayer;
pub use self::metrics::{EndpointMetrics, RequestMetrics};
pub use self::route::Route;
pub use self::service::Instrumented;
pub use self::service_metrics::{ServiceMetrics, ServiceMetricsBuilder};
