//! W3C trace context, read and written by fixed offsets.
//!
//! `traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits>`, as the recommendation of
//! 23 November 2021 says. A header that breaks the rules counts as absent.

use std::str::FromStr;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The header that carries the ids.
pub const TRACEPARENT: &str = "traceparent";
/// The header that carries what vendors add; only read beside a good `traceparent`.
pub const TRACESTATE: &str = "tracestate";

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// Reads the span context of a caller.
pub fn parse(traceparent: &[u8], tracestate: Option<&str>) -> Option<SpanContext> {
    let header = traceparent.trim_ascii();
    // Later versions may append fields behind a dash; version ff is forbidden.
    if header.len() < LENGTH
        || (header.len() > LENGTH && (&header[..2] == b"00" || header[LENGTH] != b'-'))
    {
        return None;
    }
    if header[2] != b'-' || header[35] != b'-' || header[52] != b'-' {
        return None;
    }
    let version = hex::<1>(&header[0..2])?;
    let trace = hex::<16>(&header[3..35])?;
    let span = hex::<8>(&header[36..52])?;
    let [flags] = hex::<1>(&header[53..55])?;
    if version == [0xff] || trace == [0; 16] || span == [0; 8] {
        return None;
    }
    let state = tracestate
        .and_then(|state| TraceState::from_str(state).ok())
        .unwrap_or_default();
    Some(SpanContext::new(
        TraceId::from_bytes(trace),
        SpanId::from_bytes(span),
        TraceFlags::new(flags & 1),
        true,
        state,
    ))
}

/// Writes the ids for a server: 55 bytes of ASCII.
pub fn format(trace_id: TraceId, span_id: SpanId, sampled: bool) -> [u8; LENGTH] {
    let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
    write_hex(&trace_id.to_bytes(), &mut header[3..35]);
    write_hex(&span_id.to_bytes(), &mut header[36..52]);
    header[54] = b'0' + u8::from(sampled);
    header
}

/// Writes bytes as lower-case hex digits, two for each.
pub(crate) fn write_hex(bytes: &[u8], out: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
}

/// Each byte as two digits.
static PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// What each letter is worth as a digit; more than 15 for what is none.
static WORTH: [u8; 256] = {
    let mut worth = [0xff; 256];
    let mut digit = 0;
    while digit < 10 {
        worth[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    while digit < 16 {
        worth[b'a' as usize - 10 + digit] = digit as u8;
        digit += 1;
    }
    worth
};

/// Lower-case hex digits only: the recommendation forbids others.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut bad = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (WORTH[usize::from(pair[0])], WORTH[usize::from(pair[1])]);
        bad |= high | low;
        *byte = high << 4 | low & 15;
    }
    (bad < 16).then_some(bytes)
}
