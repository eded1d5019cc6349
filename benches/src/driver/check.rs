//! Whether the budgets hold.

use llasta_benches::measure::Group;

use super::budget::BUDGETS;
use super::{Failure, Program};

/// Counts differ a little between compilers and C libraries.
const TO_SPARE: f64 = 1.05;

/// A buffer that grows once in a while is no allocation per operation.
const ROUNDING: f64 = 0.05;

/// Counts every variant that has a budget, prints what it adds, and fails when one adds too much.
pub(crate) fn run(program: &Program) -> Result<(), Failure> {
    let variants = program.variants()?;
    println!("| variant | instructions | budget | allocations | budget |");
    println!("|---|--:|--:|--:|--:|");
    let mut exceeded = Vec::new();
    for group in Group::ALL {
        let mut budgets = BUDGETS
            .iter()
            .filter(|budget| budget.group == group)
            .peekable();
        if budgets.peek().is_none() {
            continue;
        }
        let first = variants.iter().find(|(known, _)| *known == group);
        let base = match first.filter(|_| group.has_base()) {
            Some((_, title)) => (
                program.instructions(group, title)?,
                program.allocations(group, title)?,
            ),
            None => (0.0, 0.0),
        };
        for budget in budgets {
            let instructions = program.instructions(group, budget.title)? - base.0;
            let allocations = program.allocations(group, budget.title)? - base.1;
            println!(
                "| {}, {} | {instructions:.0} | {:.0} | {allocations:.1} | {} |",
                group.name(),
                budget.title,
                budget.instructions,
                budget
                    .allocations
                    .map_or("–".to_owned(), |budget| format!("{budget:.0}"))
            );
            let (allowed, allowed_allocations) = budget.allowed();
            if instructions > allowed * TO_SPARE {
                exceeded.push(format!(
                    "{}, {}: {instructions:.0} instructions, {allowed:.0} allowed",
                    group.name(),
                    budget.title,
                ));
            }
            if let Some(allowed) = allowed_allocations
                && allocations > allowed * TO_SPARE + ROUNDING
            {
                exceeded.push(format!(
                    "{}, {}: {allocations:.1} allocations, {allowed:.0} allowed",
                    group.name(),
                    budget.title
                ));
            }
        }
    }
    if exceeded.is_empty() {
        return Ok(());
    }
    Err(Failure(format!(
        "over what is allowed by more than 5 %:\n  {}\nMake it cheaper, or change the budget in benches/src/driver/budget.rs and say why.",
        exceeded.join("\n  ")
    )))
}
