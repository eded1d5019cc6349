//! Histogram buckets. Upper bounds, rising; infinity is implied.

/// Seconds, for anything that waits for an LLM: from 5 ms to 300 s.
pub const LLM_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// Seconds between two tokens: from 1 ms; they reach 300 s because they wait for an LLM too.
pub const TOKEN_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0,
];

/// Seconds, for the latency of an index: from half a millisecond to 10 s.
pub const INDEX_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Seconds, for HTTP services in general: OpenTelemetry's advice, with three more for streams.
pub const HTTP_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    300.0,
];

/// Chunks that went to the LLM.
pub const CHUNKS_SENT: &[f64] = &[0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0];

/// Results of one search.
pub const SEARCH_RESULTS: &[f64] = &[0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0];
