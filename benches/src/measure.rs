//! How a variant is measured: in batches, each made ready before and settled after its measurement.

use std::fmt;
use std::process::ExitCode;

use rustix::time::{ClockId, clock_gettime};

/// What is measured against each other. The first variant of a group is its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Requests through an axum router.
    Server,
    /// Requests by reqwest to a loopback server.
    Client,
    /// Chunks of a streamed chat completion.
    Chunk,
    /// Spans with four attributes.
    Span,
    /// Values added to one series.
    Observation,
    /// Renderings of a metrics page.
    Page,
}

impl Group {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 6] = [
        Self::Server,
        Self::Client,
        Self::Chunk,
        Self::Span,
        Self::Observation,
        Self::Page,
    ];

    /// The word for it on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Chunk => "chunk",
            Self::Span => "span",
            Self::Observation => "observation",
            Self::Page => "page",
        }
    }

    /// Whether its first variant does the same work without telemetry: then what the others add is
    /// shown too.
    pub fn has_base(self) -> bool {
        matches!(self, Self::Server | Self::Client | Self::Chunk)
    }

    /// Operations in one batch.
    pub fn batch(self) -> usize {
        match self {
            Self::Client => 64,
            Self::Page => 4,
            Self::Observation => 1024,
            Self::Server | Self::Chunk | Self::Span => 256,
        }
    }
}

/// Something that does one operation over and over.
pub trait Subject {
    /// Makes `count` operations ready. What is returned does them, and it alone is measured.
    fn batch(&mut self, count: usize) -> Box<dyn FnOnce() + '_>;

    /// After each batch: sends what waits, so that nothing is lost and no thread is busy.
    fn settle(&mut self) {}

    /// Panics unless that many operations left what they should have left.
    fn verify(&mut self, operations: u64);
}

/// One row of a table.
pub struct Variant {
    /// What it is compared within.
    pub group: Group,
    /// Its name in the tables and on a command line.
    pub title: String,
    start: Box<dyn Fn() -> Box<dyn Subject>>,
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.group.name(), self.title)
    }
}

impl Variant {
    /// A variant whose subject is made by `start`, in the process that measures it.
    pub fn new<S: Subject + 'static>(
        group: Group,
        title: impl Into<String>,
        start: impl Fn() -> S + 'static,
    ) -> Self {
        Self {
            group,
            title: title.into(),
            start: Box::new(move || Box::new(start())),
        }
    }
}

/// What is found out about a batch.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// Batches before the first that counts: caches are filled, lazy values made.
    warm_up: usize,
    /// Batches that count.
    counted: usize,
    measure: fn(Box<dyn FnOnce() + '_>) -> f64,
}

/// Nothing by itself: valgrind counts what happens in [`counted_batch`].
pub const INSTRUCTIONS: Meter = Meter {
    warm_up: 3,
    counted: COUNTED_BATCHES,
    measure: |work| {
        counted_batch(work);
        0.0
    },
};

/// Nanoseconds that this thread had a processor: on a shared machine the time between two looks at
/// a clock would be that of others too.
pub const TIME: Meter = Meter {
    warm_up: 12,
    counted: 80,
    measure: |work| {
        let before = clock_gettime(ClockId::ThreadCPUTime);
        counted_batch(work);
        let after = clock_gettime(ClockId::ThreadCPUTime);
        (after.tv_sec - before.tv_sec) as f64 * 1e9 + (after.tv_nsec - before.tv_nsec) as f64
    },
};

/// Batches whose instructions valgrind counts.
pub const COUNTED_BATCHES: usize = 4;

impl Meter {
    /// Heap allocations of this thread. `count` knows how many a closure makes.
    pub const fn allocations(count: fn(Box<dyn FnOnce() + '_>) -> f64) -> Self {
        Self {
            measure: count,
            ..INSTRUCTIONS
        }
    }

    /// The median batch, for one operation.
    fn run(self, variant: &Variant) -> f64 {
        let mut subject = (variant.start)();
        let batch = variant.group.batch();
        for _ in 0..self.warm_up {
            subject.batch(batch)();
            subject.settle();
        }
        let mut found = Vec::with_capacity(self.counted);
        for _ in 0..self.counted {
            let work = subject.batch(batch);
            found.push((self.measure)(work));
            subject.settle();
        }
        subject.verify(((self.warm_up + self.counted) * batch) as u64);
        found.sort_by(f64::total_cmp);
        found[found.len() / 2] / batch as f64
    }
}

/// What valgrind counts: it is told to begin and end with this function, by its name.
#[inline(never)]
pub fn counted_batch(work: Box<dyn FnOnce() + '_>) {
    work();
    // The call above must not become a jump, which valgrind would take for the end.
    std::hint::black_box(());
}

/// The commands of a program that measures: `list`, or the name of a meter, a group and a title.
/// `None` when the words are something else.
pub fn answer(
    words: &[String],
    variants: &[Variant],
    meters: &[(&str, Meter)],
) -> Option<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => {
            for variant in variants {
                println!("{}\t{}", variant.group.name(), variant.title);
            }
            Some(ExitCode::SUCCESS)
        }
        [meter, group, title] => {
            let (_, meter) = meters.iter().find(|(name, _)| *name == meter)?;
            let known =
                |variant: &&Variant| variant.group.name() == group && variant.title == title;
            let Some(variant) = variants.iter().find(known) else {
                eprintln!("no variant of `{group}` is named `{title}`: `list` names them");
                return Some(ExitCode::from(2));
            };
            println!("{}", meter.run(variant));
            Some(ExitCode::SUCCESS)
        }
        _ => None,
    }
}
