//! The budgets, and whether they hold.

use llasta_benches::measure::Group;

use super::{Failure, Program};

/// What a variant may add to the base of its group, or cost where the group has none.
struct Budget {
    group: Group,
    title: &'static str,
    instructions: f64,
    allocations: Option<f64>,
}

/// Counts differ a little between compilers and C libraries.
const TO_SPARE: f64 = 1.05;

/// A buffer that grows once in a while is no allocation per operation.
const ROUNDING: f64 = 0.05;

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
    Budget {
        group: Group::Client,
        title: "SDK: client span",
        instructions: 9_000.0,
        allocations: Some(10.0),
    },
    Budget {
        group: Group::Client,
        title: "SDK: unsampled",
        instructions: 3_000.0,
        allocations: None,
    },
    Budget {
        group: Group::Chunk,
        title: "SDK: instrument_llm",
        instructions: 300.0,
        allocations: Some(0.0),
    },
    Budget {
        group: Group::Page,
        title: "SDK: OpenMetrics",
        instructions: PROMETHEUS_CLIENT_PAGE / 2.0,
        allocations: None,
    },
];

/// Instructions with which prometheus-client 0.25.2 renders the same 200 series, as docs/benchmarks.md
/// has them.
const PROMETHEUS_CLIENT_PAGE: f64 = 1_473_531.0;

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
            if instructions > budget.instructions * TO_SPARE {
                exceeded.push(format!(
                    "{}, {}: {instructions:.0} instructions, {:.0} allowed",
                    group.name(),
                    budget.title,
                    budget.instructions
                ));
            }
            if let Some(allowed) = budget.allocations
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
        "over budget by more than 5 %:\n  {}\nMake it cheaper, or change the budget in benches/src/driver/check.rs and say why.",
        exceeded.join("\n  ")
    )))
}
