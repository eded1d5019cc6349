//! Floor 3: what a service says, captured and checked.
//!
//! Two ways to listen: [`Recorder`] is a telemetry that keeps what it records, with ids and a
//! clock that are the same in every run; [`OtlpReceiver`] is a real collector on a loopback port,
//! for services that run as processes of their own, in any language. Both yield [`Evidence`]:
//! spans, metrics pages, log lines and log records. Everything else works on that:
//!
//! * [`Evidence::expect_span`], [`Evidence::expect_metric`] and [`Evidence::expect_line`] begin a
//!   sentence about one of them,
//! * [`Waterfall`] prints a trace as a tree, with times or as a snapshot without them, and
//!   [`Breakdown`] says where a chat request spent its time,
//! * [`page`] reads a metrics page, and says what moved between two of them,
//! * [`conform`] compares all of it with a [`Schema`](crate::schema::Schema) and says what differs.
//!
//! Nothing here sleeps: what is waited for is a notification, with a deadline.
//!
//! ```
//! use llasta_telemetry::schema::rag::RetrieveContext;
//! use llasta_telemetry::testing::Recorder;
//!
//! let seen = Recorder::new("chatbot-rag");
//! RetrieveContext::start_in(seen.telemetry(), 5, 0.5).results_raw_count(5);
//!
//! seen.expect_span("rag.retrieve_context").with("rag.top_k", 5).once();
//! ```

mod capture;
mod captured;
pub mod conform;
mod evidence;
mod expect;
mod fixed;
mod latency;
mod otlp;
pub mod page;
mod receiver;
mod recorder;
mod store;
mod waterfall;

pub use self::capture::Capture;
pub use self::captured::{AttributeValue, CapturedSpan};
pub use self::evidence::{CapturedLog, CapturedPage, Evidence, PageFormat};
pub use self::expect::{ExpectedLine, ExpectedMetric, ExpectedSpan};
pub use self::fixed::{FixedIds, StillClock};
pub use self::latency::{Breakdown, Share};
pub use self::otlp::{Forwarded, Received, Tally};
pub use self::receiver::OtlpReceiver;
pub use self::recorder::{Recorder, RecorderBuilder};
pub use self::waterfall::Waterfall;
