//! The tables.

use std::fmt::Write;

use llasta_benches::measure::Group;

use super::Row;

/// One group's rows: what they cost and, where the group has a base, what they add to it.
pub(crate) fn table(group: Group, rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
    let Some(first) = rows.first() else {
        return String::new();
    };
    let base = group.has_base().then_some(first);
    let mut columns = vec!["instructions", "allocations"];
    if first.time.is_some() {
        columns.push("ns");
    }
    let mut text = String::from("| variant |");
    for column in &columns {
        let _ = write!(text, " {column} |");
        if base.is_some() {
            text.push_str(" added |");
        }
    }
    text.push_str("\n|---|");
    let count = columns.len() * if base.is_some() { 2 } else { 1 };
    text.push_str(&"--:|".repeat(count));
    text.push('\n');
    for row in &rows {
        let _ = write!(text, "| {} |", row.title);
        let mut cell = |value: f64, base: Option<f64>, places: usize| {
            let _ = write!(text, " {value:.places$} |");
            if let Some(base) = base {
                let _ = write!(text, " {:.places$} |", value - base);
            }
        };
        cell(row.instructions, base.map(|base| base.instructions), 0);
        cell(row.allocations, base.map(|base| base.allocations), 1);
        if let Some(time) = row.time {
            // What takes no time is worth a digit more.
            let places = if time < 100.0 { 1 } else { 0 };
            cell(time, base.and_then(|base| base.time), places);
        }
        text.push('\n');
    }
    text
}
