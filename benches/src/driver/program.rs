//! The programs that measure: built by cargo, run once for each number.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use llasta_benches::measure::{COUNTED_BATCHES, Group};

use super::Failure;

/// One workspace's programs: one for instructions and time, one for allocations.
#[derive(Debug)]
pub(crate) struct Program {
    measures: PathBuf,
    counts_allocations: PathBuf,
}

impl Program {
    /// The two programs of a package, built anew where its source has changed.
    pub(crate) fn build(manifest: &Path, name: &str) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|error| Failure(format!("this program does not know its path: {error}")))?;
        let folder = own
            .parent()
            .ok_or_else(|| Failure("this program lies in no folder".to_owned()))?;
        let target = folder
            .parent()
            .ok_or_else(|| Failure("this program lies in no target folder".to_owned()))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let allocations = format!("{name}-allocations");
        let status = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(target)
            .args(["--bin", name, "--bin", &allocations])
            .status()
            .map_err(|error| Failure(format!("cargo did not start: {error}")))?;
        if !status.success() {
            return Err(Failure(format!("`{name}` did not compile")));
        }
        let built = target.join("release");
        Ok(Self {
            measures: built.join(name),
            counts_allocations: built.join(allocations),
        })
    }

    /// Its variants, by group and title.
    pub(crate) fn variants(&self) -> Result<Vec<(Group, String)>, Failure> {
        let text = output(Command::new(&self.measures).arg("list"))?.0;
        let variant = |line: &str| {
            let (group, title) = line.split_once('\t')?;
            let group = Group::ALL.into_iter().find(|known| known.name() == group)?;
            Some((group, title.to_owned()))
        };
        Ok(text.lines().filter_map(variant).collect())
    }

    /// Nanoseconds of one operation.
    pub(crate) fn time(&self, group: Group, title: &str) -> Result<f64, Failure> {
        number(&self.measures, "time", group, title)
    }

    /// Heap allocations of one operation.
    pub(crate) fn allocations(&self, group: Group, title: &str) -> Result<f64, Failure> {
        number(&self.counts_allocations, "allocations", group, title)
    }

    /// Instructions of one operation, on the thread that does it.
    pub(crate) fn instructions(&self, group: Group, title: &str) -> Result<f64, Failure> {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args([
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                "--toggle-collect=*counted_batch*",
            ])
            .arg(&self.measures)
            .args(["instructions", group.name(), title]);
        let (_, said) = output(&mut valgrind)?;
        said.lines()
            .find_map(|line| line.split_once("Collected :"))
            .and_then(|(_, total)| total.trim().parse::<f64>().ok())
            .filter(|total| *total > 0.0)
            .map(|total| total / (COUNTED_BATCHES * group.batch()) as f64)
            .ok_or_else(|| Failure(format!("valgrind counted nothing for `{title}`:\n{said}")))
    }
}

fn number(program: &Path, meter: &str, group: Group, title: &str) -> Result<f64, Failure> {
    let (text, _) = output(Command::new(program).args([meter, group.name(), title]))?;
    text.trim()
        .parse()
        .map_err(|_| Failure(format!("`{title}` printed no number: {text}")))
}

/// Standard output and standard error of a command that ended well.
fn output(command: &mut Command) -> Result<(String, String), Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        let name = program.rsplit('/').next().unwrap_or(&program);
        Failure(format!(
            "`{name}` did not start ({error}): `bash .ci/setup` installs what is missing"
        ))
    })?;
    let (text, said) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    if output.status.success() {
        Ok((text, said))
    } else {
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        Err(Failure(format!("`{}` failed:\n{said}", words.join(" "))))
    }
}
