//! `llasta export`

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use llasta_rag::store::Store;

use super::args::ExportArgs;
use super::failure::Failure;

pub(super) async fn run(arguments: ExportArgs) -> Result<(), Failure> {
    let exported = tokio::task::spawn_blocking(move || export(&arguments));
    exported
        .await
        .map_err(|error| Failure::of("the export broke off", &error))?
}

fn export(arguments: &ExportArgs) -> Result<(), Failure> {
    let folder = &arguments.data_dir;
    // Opening would make one.
    if !folder.join("store.db").is_file() {
        return Err(Failure::new(format!(
            "there is no store in {}: name faiss-wrap's folder with --data-dir (DATA_DIR)",
            folder.display()
        )));
    }
    let store = Store::open(folder).map_err(|error| Failure::of("nothing was exported", &error))?;
    let failed = |error: &dyn std::error::Error| Failure::of("nothing was exported", error);
    let items = match &arguments.output {
        None => store
            .export(&mut BufWriter::new(std::io::stdout().lock()))
            .map_err(|error| failed(&error))?,
        Some(file) => {
            let cannot = |error: std::io::Error| {
                Failure::of(format!("cannot write {}", file.display()), &error)
            };
            let part = part_of(file);
            let mut output = BufWriter::new(File::create(&part).map_err(cannot)?);
            let items = store.export(&mut output).map_err(|error| {
                let _ = fs::remove_file(&part);
                failed(&error)
            })?;
            output.flush().map_err(cannot)?;
            output.get_ref().sync_all().map_err(cannot)?;
            fs::rename(&part, file).map_err(cannot)?;
            items
        }
    };
    eprintln!("{items} items exported");
    Ok(())
}

/// Where a file is written until it is whole.
fn part_of(file: &Path) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
