//! `llasta schema export`: the schema, written for other tools.

use std::io::Write;
use std::path::{Path, PathBuf};

use llasta_telemetry::registry::{self, File, Format, Weaver};

use super::args::ExportArgs;
use super::source;
use crate::cli::failure::Failure;

pub(super) fn run(arguments: &ExportArgs) -> Result<(), Failure> {
    if arguments.upstream && arguments.format != Format::Weaver {
        return Err(Failure::setting(format!(
            "--upstream is for --format weaver: `{}` is always complete by itself",
            arguments.format
        )));
    }
    let schema = source::merged(&arguments.schema)?;
    let files = match arguments.format {
        Format::Weaver => {
            registry::weaver(&schema, &Weaver::default().upstream(arguments.upstream))
        }
        format => registry::export(&schema, format),
    };
    match &arguments.output {
        None => print(&files),
        Some(output) => write(&files, output),
    }
}

/// One file as it is, several each under a line that names it.
fn print(files: &[File]) -> Result<(), Failure> {
    let mut text = String::new();
    for file in files {
        if files.len() > 1 {
            text += &format!("==> {} <==\n", file.path);
        }
        text += &file.text;
    }
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        // Whoever reads may stop when they have seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::of("standard output cannot be written", &error))
        }
        _ => Ok(()),
    }
}

/// Several files go into a folder; one goes into the file of that name, or into a folder that is
/// there.
fn write(files: &[File], output: &Path) -> Result<(), Failure> {
    let into_folder = files.len() > 1 || output.is_dir() || ends_in_slash(output);
    for file in files {
        let path = if into_folder {
            output.join(&file.path)
        } else {
            output.to_owned()
        };
        let cannot = |error: std::io::Error| {
            Failure::of(format!("{} cannot be written", path.display()), &error)
        };
        if let Some(folder) = path.parent().filter(|folder| *folder != PathBuf::new()) {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        std::fs::write(&path, &file.text).map_err(cannot)?;
        eprintln!("{}", path.display());
    }
    Ok(())
}

fn ends_in_slash(path: &Path) -> bool {
    path.to_string_lossy()
        .ends_with(['/', std::path::MAIN_SEPARATOR])
}
