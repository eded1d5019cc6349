//! Floor 2: instruments, and the page they are read from.
//!
//! A metric is a function of its labels: [`schema!`](crate::schema!) writes one method for each,
//! which resolves to an instrument with plain array arithmetic. Recording is an atomic addition.
//! What is sampled leaves its ids behind as an exemplar, without a lock: one for each bucket and
//! each counter, the last that came. They are on OpenMetrics pages alone.
//!
//! The instruments render themselves: what stands before a value was written once, so a scrape
//! copies texts and writes numbers, and nobody who records waits for it. How this differs from the `prometheus` crate, and why,
//! is argued in the project's DESIGN page; a registry of that crate can still be
//! [joined](Registry::join) to the page.

mod counter;
mod exemplar;
mod family;
mod foreign;
mod format;
mod gauge;
mod histogram;
mod lines;
mod page;
pub(crate) mod process;
mod registry;

pub use self::counter::Counter;
pub use self::exemplar::Exemplar;
pub(crate) use self::exemplar::millis;
pub use self::family::{Family, Handle};
pub use self::format::Format;
pub use self::gauge::{FloatGauge, Gauge};
pub use self::histogram::Histogram;
pub use self::lines::Lines;
pub use self::page::Page;
pub use self::registry::{Collect, Registry};
