use llasta_telemetry::context::w3c::{format, parse};
use llasta_telemetry::opentelemetry::trace::{SpanContext, SpanId, TraceId};

const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn read(header: &str) -> Option<SpanContext> {
    parse(header.as_bytes(), None)
}

#[test]
fn a_valid_header_is_read() {
    let span = read(GOOD).expect("it is the recommendation's own example");
    assert_eq!(
        span.trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(span.span_id().to_string(), "b7ad6b7169203331");
    assert!(span.is_sampled());
    assert!(span.is_remote());
    assert!(!read(&GOOD.replace("-01", "-00")).unwrap().is_sampled());
    assert_eq!(
        read(&format!("  {GOOD}\t")),
        read(GOOD),
        "blanks around it do not matter"
    );
}

#[test]
fn only_the_sampled_flag_is_taken_over() {
    for (flags, sampled) in [("03", true), ("02", false), ("ff", true), ("fe", false)] {
        let span = read(&format!("{}{flags}", &GOOD[..53])).expect("unknown flags are allowed");
        assert_eq!(span.is_sampled(), sampled, "{flags}");
        assert_eq!(span.trace_flags().to_u8(), u8::from(sampled));
    }
}

#[test]
fn a_header_that_breaks_the_rules_counts_as_absent() {
    for header in [
        "",
        "00",
        &GOOD[..54],
        &format!("{GOOD}0"),
        // Version 00 has nothing behind the flags.
        &format!("{GOOD}-extra"),
        &GOOD.to_uppercase(),
        &GOOD.replace('a', "A"),
        &GOOD.replace('f', "g"),
        &GOOD.replacen('-', "_", 1),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        &GOOD.replacen("00", "ff", 1),
        &GOOD.replacen("00", "FF", 1),
        &GOOD.replacen("00", "0x", 1),
        &GOOD.replace("-01", "-0 "),
        &GOOD.replace("-01", "-é"),
        // Lengths are right in sum alone.
        "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
    ] {
        assert_eq!(read(header), None, "`{header}`");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    for header in [
        GOOD.replacen("00", "01", 1),
        GOOD.replacen("00", "fe", 1),
        format!("{}-what-comes-later", GOOD.replacen("00", "cc", 1)),
    ] {
        assert_eq!(read(&header), read(GOOD), "`{header}`");
    }
    let glued = format!("{}0", GOOD.replacen("00", "cc", 1));
    assert_eq!(read(&glued), None, "later fields stand behind a dash");
}

#[test]
fn what_vendors_add_is_kept_and_nonsense_of_theirs_is_not() {
    let span = parse(GOOD.as_bytes(), Some("congo=t61rcWkgMzE,rojo=1")).unwrap();
    assert_eq!(span.trace_state().get("congo"), Some("t61rcWkgMzE"));
    assert_eq!(span.trace_state().header(), "congo=t61rcWkgMzE,rojo=1");
    let span = parse(GOOD.as_bytes(), Some("nonsense")).expect("the ids are good");
    assert_eq!(span.trace_state().header(), "");
}

#[test]
fn what_is_written_is_what_was_read() {
    let span = read(GOOD).unwrap();
    let header = format(span.trace_id(), span.span_id(), true);
    assert_eq!(std::str::from_utf8(&header).unwrap(), GOOD);
    let unsampled = format(TraceId::from(1), SpanId::from(0xab), false);
    assert_eq!(
        std::str::from_utf8(&unsampled).unwrap(),
        "00-00000000000000000000000000000001-00000000000000ab-00"
    );
}
