//! RFC 3339 in UTC with microseconds, the second cached.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// As long as `2026-11-23T02:11:19.000123Z`.
const LENGTH: usize = 27;

thread_local! {
    /// The last second that was written on this thread, and how it reads.
    static SECOND: Cell<(u64, [u8; LENGTH])> =
        const { Cell::new((u64::MAX, *b"0000-00-00T00:00:00.000000Z")) };
}

/// Writes `2026-11-23T02:11:19.000123Z`.
pub(super) fn write(at: SystemTime, out: &mut String) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (second, mut text) = SECOND.get();
    if second != since.as_secs() {
        text = write_second(since.as_secs());
        SECOND.set((since.as_secs(), text));
    }
    let micros = since.subsec_micros();
    digits(micros.into(), &mut text[20..26]);
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

#[cold]
fn write_second(since_1970: u64) -> [u8; LENGTH] {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let (year, month, day) = date(since_1970 / 86_400);
    let of_day = since_1970 % 86_400;
    digits(year, &mut text[0..4]);
    digits(month, &mut text[5..7]);
    digits(day, &mut text[8..10]);
    digits(of_day / 3600, &mut text[11..13]);
    digits(of_day / 60 % 60, &mut text[14..16]);
    digits(of_day % 60, &mut text[17..19]);
    text
}

/// The last decimal digits of a number, as many as there is room for.
fn digits(mut number: u64, out: &mut [u8]) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day counted from 1970, in the proleptic Gregorian calendar: the
/// calendar repeats every 400 years, or 146,097 days, and years that begin in March put the leap
/// day last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(seconds: u64, micros: u32) -> String {
        let mut out = String::new();
        write(UNIX_EPOCH + Duration::new(seconds, micros * 1000), &mut out);
        out
    }

    #[test]
    fn dates_are_right_across_leap_days_and_centuries() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(951_782_399, 999_999), "2000-02-28T23:59:59.999999Z");
        assert_eq!(text(951_782_400, 1), "2000-02-29T00:00:00.000001Z");
        assert_eq!(text(1_709_251_199, 0), "2024-02-29T23:59:59.000000Z");
        assert_eq!(text(1_795_399_879, 123_000), "2026-11-23T02:11:19.123000Z");
        assert_eq!(text(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
    }
}
