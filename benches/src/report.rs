//! The table.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::exercise::COUNTED;
use crate::variant::Variant;

/// Runs every variant in a process of its own and prints what it added over the bare router.
pub(crate) fn print() -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("llasta-benches: the program does not know its own path: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut rows = Vec::new();
    for variant in Variant::ALL {
        let Some(allocations) = allocations(&program, variant) else {
            return ExitCode::FAILURE;
        };
        rows.push((variant, allocations, instructions(&program, variant)));
    }
    let Some((_, bare_allocations, bare_instructions)) = rows.first().copied() else {
        return ExitCode::FAILURE;
    };
    println!("| variant | instructions | added | allocations | added |");
    println!("|---|--:|--:|--:|--:|");
    for (variant, allocations, instructions) in rows {
        let shown =
            |number: Option<f64>| number.map_or("–".to_owned(), |number| format!("{number:.0}"));
        let added = instructions
            .zip(bare_instructions)
            .map(|(all, bare)| all - bare);
        println!(
            "| {} | {} | {} | {allocations:.1} | {:.1} |",
            variant.name(),
            shown(instructions),
            shown(added),
            allocations - bare_allocations
        );
    }
    if bare_instructions.is_none() {
        eprintln!("llasta-benches: no instructions were counted; install valgrind for them");
    }
    ExitCode::SUCCESS
}

fn allocations(program: &Path, variant: Variant) -> Option<f64> {
    let output = Command::new(program)
        .args(["run", variant.name()])
        .output()
        .ok()?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// Instructions per request; `None` without valgrind.
fn instructions(program: &Path, variant: Variant) -> Option<f64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*counted_batch*",
        ])
        .arg(program)
        .args(["run", variant.name()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    let total: f64 = line.split("Collected :").nth(1)?.trim().parse().ok()?;
    Some(total / COUNTED as f64)
}
