//! The tables.

use std::fmt::Write;

use llasta_benches::measure::Group;

use super::Row;

/// One group's rows, what they cost and what they add to its base.
pub(crate) fn table(group: Group, rows: &[Row]) -> String {
    let mut rows = rows.iter().filter(|row| row.group == group);
    let Some(base) = rows.clone().next() else {
        return String::new();
    };
    let timed = base.time.is_some();
    let mut text = String::from("| variant | instructions | added | allocations | added |");
    text.push_str(if timed { " ns | added |\n" } else { "\n" });
    text.push_str("|---|--:|--:|--:|--:|");
    text.push_str(if timed { "--:|--:|\n" } else { "\n" });
    rows.by_ref().for_each(|row| {
        let _ = write!(
            text,
            "| {} | {:.0} | {:.0} | {:.1} | {:.1} |",
            row.title,
            row.instructions,
            row.instructions - base.instructions,
            row.allocations,
            row.allocations - base.allocations
        );
        if let (Some(time), Some(base)) = (row.time, base.time) {
            let _ = write!(text, " {time:.0} | {:.0} |", time - base);
        }
        text.push('\n');
    });
    text
}
