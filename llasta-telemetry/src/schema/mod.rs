//! Floor 1: what may be said.
//!
//! Every attribute key, span, metric and label set of the telemetry contract is declared here,
//! once, in tables that read like the contract. Everything else is derived: typed span builders,
//! instruments, the registry, the reference pages and the conformance check. No other module
//! spells a telemetry name.
//!
//! A team declares its own telemetry with the same macro, [`schema!`](crate::schema!), and gets
//! the same tooling. Read on in this order: [`def`] is what a declaration consists of,
//! [`rag`], [`llm`], [`faiss`], [`embedding`] and [`response`] are the spans of one chat request,
//! [`http`], [`resource`] and [`otel`] are OpenTelemetry's own names, [`twins`] maps ours to
//! theirs, and [`chatbot`], [`faiss_wrap`], [`vllm`], [`sdk`] and [`process`] are the metrics.

pub mod buckets;
pub mod chatbot;
pub mod def;
pub mod embedding;
pub mod faiss;
pub mod faiss_wrap;
pub mod http;
pub mod labels;
pub mod llm;
pub mod otel;
pub mod process;
pub mod rag;
mod registry;
#[cfg(any(feature = "http", feature = "testing"))]
pub(crate) mod requests;
pub mod resource;
pub mod response;
pub mod sdk;
pub mod twins;
pub mod vllm;

pub use self::def::{
    AttributeType, Instrument, Key, KeyDef, Kind, LabelDef, LabelSet, LabelValues, MetricDef,
    Namespace, Owner, Parent, Presence, SpanDef, Stability, Strings, Text, TwinDef, TwinForm, Was,
};
#[doc(hidden)]
pub use self::def::{KeyType, ValueOf};
pub use self::registry::{Clash, Schema};
