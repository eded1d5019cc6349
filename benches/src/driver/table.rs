//! The tables.

use std::fmt::Write;

use llasta_benches::measure::Group;

use super::Row;
use super::budget::BUDGETS;

/// One group's rows: what they cost and, where the group has a base, what they add to it.
pub(crate) fn table(group: Group, rows: &[Row]) -> String {
    let mut text = String::from(if group.has_base() {
        "| variant | instructions | added | allocations | added | ns | added |\n|---|--:|--:|--:|--:|--:|--:|\n"
    } else {
        "| variant | instructions | allocations | ns |\n|---|--:|--:|--:|\n"
    });
    for row in rows.iter().filter(|row| row.group == group) {
        let _ = write!(text, "| {} |", row.title);
        let mut cell = |value: f64, added: f64, places: usize| {
            let _ = write!(text, " {} |", number(value, places));
            if group.has_base() {
                let _ = write!(text, " {} |", number(added, places));
            }
        };
        cell(row.cost.instructions, row.added.instructions, 0);
        cell(row.cost.allocations, row.added.allocations, 1);
        // What takes next to no time is worth a digit more.
        let places = if row.cost.time < 100.0 { 1 } else { 0 };
        cell(row.cost.time, row.added.time, places);
        text.push('\n');
    }
    text
}

/// What the issue allows, what was counted, and what the nearest peer adds.
pub(crate) fn budgets(rows: &[Row]) -> String {
    let mut text = String::from(
        "| variant | instructions | budget | allocations | budget | the nearest peer |\n|---|--:|--:|--:|--:|---|\n",
    );
    let find = |group: Group, title: &str| {
        rows.iter()
            .find(|row| row.group == group && row.title == title)
    };
    for budget in BUDGETS {
        let Some(row) = find(budget.group, budget.title) else {
            continue;
        };
        let peer = match budget.peer.map(|title| (title, find(budget.group, title))) {
            Some((title, Some(peer))) => format!(
                "{} and {}: {title}",
                number(peer.added.instructions, 0),
                number(peer.added.allocations, 1)
            ),
            Some((title, None)) => format!("not measured: {title}"),
            None => "none exists".to_owned(),
        };
        let allowed = budget
            .allocations
            .map_or("–".to_owned(), |allowed| number(allowed, 0));
        let _ = writeln!(
            text,
            "| {}, {} | {} | {} | {} | {allowed} | {peer} |",
            budget.group.name(),
            budget.title,
            number(row.added.instructions, 0),
            number(budget.instructions, 0),
            number(row.added.allocations, 1),
        );
    }
    text
}

/// `12345.6` → `12,346`.
pub(crate) fn number(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) if rest.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", &*text),
    };
    let whole = text.split('.').next().unwrap_or(text).len();
    let mut grouped = String::from(sign);
    for (place, digit) in text.chars().enumerate() {
        if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_grouped_and_have_no_negative_zero() {
        assert_eq!(number(1_234_567.2, 0), "1,234,567");
        assert_eq!(number(-12_345.67, 1), "-12,345.7");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(-0.01, 1), "0.0");
    }
}
