//! The budgets, and whether they hold.

use llasta_benches::measure::Group;

use super::{Failure, Program, Row};

/// What a variant may add to the base of its group.
struct Budget {
    group: Group,
    title: &'static str,
    instructions: f64,
    allocations: Option<f64>,
}

/// Counts differ a little between compilers and C libraries.
const TO_SPARE: f64 = 1.05;

const BUDGETS: &[Budget] = &[
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics + access line",
        instructions: 8_000.0,
        allocations: Some(6.0),
    },
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics",
        instructions: 6_000.0,
        allocations: Some(6.0),
    },
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics, incoming traceparent",
        instructions: 7_000.0,
        allocations: None,
    },
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics, unsampled",
        instructions: 2_800.0,
        allocations: Some(3.0),
    },
];

/// Counts every variant that has a budget, prints what it adds, and fails when one adds too much.
pub(crate) fn run(program: &Program) -> Result<(), Failure> {
    let variants = program.variants()?;
    println!("| added to the base | instructions | budget | allocations | budget |");
    println!("|---|--:|--:|--:|--:|");
    let mut exceeded = Vec::new();
    let mut base: Option<Row> = None;
    for budget in BUDGETS {
        if base.as_ref().is_none_or(|base| base.group != budget.group) {
            let first = variants.iter().find(|(group, _)| *group == budget.group);
            let (group, title) = first.ok_or_else(|| no_variant(budget.group.name()))?;
            base = Some(count(program, *group, title)?);
        }
        let base = base.as_ref().ok_or_else(|| no_variant(budget.title))?;
        let row = count(program, budget.group, budget.title)?;
        let instructions = row.instructions - base.instructions;
        let allocations = row.allocations - base.allocations;
        println!(
            "| {} | {instructions:.0} | {:.0} | {allocations:.2} | {} |",
            budget.title,
            budget.instructions,
            budget
                .allocations
                .map_or("–".to_owned(), |budget| format!("{budget:.0}"))
        );
        if instructions > budget.instructions * TO_SPARE {
            exceeded.push(format!(
                "{}: {instructions:.0} instructions, {:.0} allowed",
                budget.title, budget.instructions
            ));
        }
        if let Some(allowed) = budget.allocations
            && allocations > allowed * TO_SPARE
        {
            exceeded.push(format!(
                "{}: {allocations:.2} allocations, {allowed:.0} allowed",
                budget.title
            ));
        }
    }
    if exceeded.is_empty() {
        return Ok(());
    }
    Err(Failure(format!(
        "over budget by more than 5 %:\n  {}\nMake it cheaper, or change the budget in benches/src/driver/check.rs and say why.",
        exceeded.join("\n  ")
    )))
}

fn no_variant(title: &str) -> Failure {
    Failure(format!("a budget names `{title}`, which is no variant"))
}

fn count(program: &Program, group: Group, title: &str) -> Result<Row, Failure> {
    Ok(Row {
        group,
        title: title.to_owned(),
        instructions: program.instructions(group, title)?,
        allocations: program.allocations(group, title)?,
        time: None,
    })
}
