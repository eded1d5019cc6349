//! Changes to the lines of an OpenMetrics page, as text.

/// Whether a line is about the metric of this name. A counter's name has no suffix above its lines.
pub(super) fn of_metric(line: &str, metric: &str) -> bool {
    if let Some(comment) = line.strip_prefix("# ") {
        let family = comment.split(' ').nth(1);
        return family == Some(metric.strip_suffix("_total").unwrap_or(metric));
    }
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let name = &line[..end];
    let suffixes = ["", "_bucket", "_sum", "_count"];
    suffixes
        .iter()
        .any(|suffix| name.strip_suffix(suffix) == Some(metric))
}

/// The metric under another name.
pub(super) fn rename(line: &str, metric: &str) -> String {
    let family = metric.strip_suffix("_total").unwrap_or(metric);
    line.replacen(family, &format!("{family}_x"), 1)
}

/// The exemplar, which has labels too, stays as it is.
pub(super) fn before_exemplar(line: &str, change: impl FnOnce(&str) -> String) -> String {
    if line.starts_with('#') {
        return line.to_owned();
    }
    let end = line.find(" # ").unwrap_or(line.len());
    change(&line[..end]) + &line[end..]
}

/// One more label on a sample.
pub(super) fn add_label(line: &str, name: &str, value: &str) -> String {
    before_exemplar(line, |sample| match sample.split_once('{') {
        Some((metric, rest)) => format!("{metric}{{{name}=\"{value}\",{rest}"),
        None => {
            let (metric, number) = sample.split_once(' ').unwrap();
            format!("{metric}{{{name}=\"{value}\"}} {number}")
        }
    })
}

/// A label goes, or takes another value.
pub(super) fn remove_label(line: &str, label: &str, value: Option<&str>) -> String {
    before_exemplar(line, |sample| {
        let begin = [format!("{{{label}=\""), format!(",{label}=\"")]
            .iter()
            .find_map(|start| sample.find(start.as_str()))
            .unwrap_or_else(|| panic!("no label {label}: {sample}"))
            + 1;
        let text = begin + label.len() + 2;
        let end = text + sample[text..].find('"').unwrap();
        match value {
            Some(value) => format!("{}{value}{}", &sample[..text], &sample[end..]),
            None => format!(
                "{}{}",
                &sample[..begin],
                sample[end + 1..].trim_start_matches(',')
            ),
        }
    })
}
