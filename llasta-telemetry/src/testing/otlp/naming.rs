//! What Prometheus calls a metric of OpenTelemetry's.
//!
//! As collectors and Prometheus itself translate names: the unit is spelled out behind the name,
//! a counter ends in `_total`, and whatever is neither a letter nor a digit becomes `_`.

use crate::schema::requests::underscored;

/// The word for a unit in UCUM notation; itself where there is no other.
fn unit_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        other => other,
    }
}

/// What a unit stands below, as the `s` of `By/s`.
fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}

/// The name of a metric. `gauge` and `counter` say what it is: a gauge of the unit `1` is a ratio.
pub(super) fn metric(name: &str, unit: &str, gauge: bool, counter: bool) -> String {
    let mut words: Vec<String> = words(name);
    // It stands at the end, wherever it stood.
    if counter {
        words.retain(|word| word != "total");
    }
    for word in units(unit, gauge) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if counter {
        words.push("total".to_owned());
    }
    let mut name = words.join("_");
    if name.starts_with(|letter: char| letter.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// The name of a label.
pub(super) fn label(name: &str) -> String {
    let mut label = underscored(name);
    if label.starts_with(|letter: char| letter.is_ascii_digit()) {
        label.insert_str(0, "key_");
    }
    label
}

fn units(unit: &str, gauge: bool) -> Vec<String> {
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main.trim(), Some(per.trim())),
        None => (unit.trim(), None),
    };
    let mut all = Vec::new();
    if main == "1" {
        if gauge && per.is_none() {
            all.push("ratio".to_owned());
        }
    } else if !main.contains('{') {
        all.extend(words(unit_word(main)));
    }
    if let Some(per) = per.filter(|per| !per.is_empty() && !per.contains('{')) {
        all.push("per".to_owned());
        all.extend(words(per_word(per)));
    }
    all
}

/// The parts between whatever a name cannot hold.
fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == ':'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{label, metric};

    #[test]
    fn names_are_those_that_collectors_write() {
        let gauge = |name, unit| metric(name, unit, true, false);
        let counter = |name, unit| metric(name, unit, false, true);
        let histogram = |name, unit| metric(name, unit, false, false);
        assert_eq!(
            histogram("http.server.request.duration", "s"),
            "http_server_request_duration_seconds"
        );
        assert_eq!(
            histogram("faiss_wrap_request_latency_seconds", "s"),
            "faiss_wrap_request_latency_seconds"
        );
        assert_eq!(
            counter("chatbot_requests_total", ""),
            "chatbot_requests_total"
        );
        assert_eq!(
            counter("chatbot.requests", "{request}"),
            "chatbot_requests_total"
        );
        assert_eq!(counter("io.total.read", "By"), "io_read_bytes_total");
        assert_eq!(gauge("memory.used", "By"), "memory_used_bytes");
        assert_eq!(gauge("cpu.utilization", "1"), "cpu_utilization_ratio");
        assert_eq!(gauge("disk.speed", "By/s"), "disk_speed_bytes_per_second");
        assert_eq!(histogram("tokens", "1"), "tokens");
        assert_eq!(gauge("5xx..rate", ""), "_5xx_rate");
    }

    #[test]
    fn labels_keep_their_letters_and_digits() {
        assert_eq!(label("http.route"), "http_route");
        assert_eq!(label("status"), "status");
        assert_eq!(label("2nd"), "key_2nd");
    }
}
