//! Floors 1 and 2: the schema and its macros, spans, metrics, context and content.

mod content;
mod context;
mod in_span;
mod label_set;
mod macros;
mod page;
mod registry;
mod renames;
mod sampler;
mod separate;
mod spans;
mod w3c;
