//! One run over all variants of all programs.

use llasta_benches::measure::Group;

use super::{Failure, Program};

/// Processes that time one variant. The fastest is shown: whatever else the machine does only adds.
const REPETITIONS: usize = 9;

/// What one operation of a variant costs, and how much of that the base of its program does not.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) group: Group,
    pub(crate) title: String,
    pub(crate) cost: Cost,
    pub(crate) added: Cost,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// Nanoseconds.
    pub(crate) time: f64,
}

/// A variant on its way to a row.
struct Job<'a> {
    program: &'a Program,
    group: Group,
    title: String,
    instructions: f64,
    allocations: f64,
    times: Vec<f64>,
}

/// Measures everything, in a new order for each repetition. Each program has bases
/// of its own: they are compiled with different features of axum.
pub(crate) fn run(programs: &[Program]) -> Result<Vec<Row>, Failure> {
    let mut jobs = Vec::new();
    for program in programs {
        for (group, title) in program.variants()? {
            eprintln!("counting: {}, {title}", group.name());
            jobs.push(Job {
                program,
                group,
                instructions: program.instructions(group, &title)?,
                allocations: program.allocations(group, &title)?,
                title,
                times: Vec::new(),
            });
        }
    }
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for repetition in 1..=REPETITIONS {
        eprintln!("timing: {repetition} of {REPETITIONS}");
        shuffle(&mut order, &mut random);
        for place in &order {
            let job = &mut jobs[*place];
            let time = job.program.time(job.group, &job.title)?;
            job.times.push(time);
        }
    }
    Ok(rows(&jobs))
}

fn rows(jobs: &[Job<'_>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for job in jobs {
        let base = jobs
            .iter()
            .find(|base| std::ptr::eq(base.program, job.program) && base.group == job.group)
            .filter(|_| job.group.has_base())
            .map_or(NOTHING, self::cost);
        let cost = cost(job);
        let known = |row: &Row| row.group == job.group && row.title == job.title;
        let title = if rows.iter().any(known) {
            format!("{}, as the peers are compiled", job.title)
        } else {
            job.title.clone()
        };
        rows.push(Row {
            group: job.group,
            title,
            cost,
            added: Cost {
                instructions: cost.instructions - base.instructions,
                allocations: cost.allocations - base.allocations,
                time: cost.time - base.time,
            },
        });
    }
    rows
}

const NOTHING: Cost = Cost {
    instructions: 0.0,
    allocations: 0.0,
    time: 0.0,
};

fn cost(job: &Job<'_>) -> Cost {
    Cost {
        instructions: job.instructions,
        allocations: job.allocations,
        time: job.times.iter().copied().fold(f64::INFINITY, f64::min),
    }
}

/// Fisher and Yates with xorshift: any order will do, the same one each time.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        order.swap(last, (*random % (last as u64 + 1)) as usize);
    }
}
