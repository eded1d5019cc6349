//! The testing kit, tried on telemetry that the typed spans and instruments recorded.

mod chat;
pub(crate) mod chat_trace;
mod check;
mod check_chats;
mod expect;
mod logs;
mod metrics;
mod own;
mod page;
mod receiver;
mod receiver_exporters;
mod receiver_forward;
mod receiver_http;
mod receiver_metrics;
mod recorder;
mod spans;
mod waterfall;
