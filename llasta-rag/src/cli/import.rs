//! `llasta import`

use std::fs::File;
use std::io::{BufRead, BufReader};

use llasta_rag::store::{Store, StoreError, TransferError, VectorSpace};
use tokio::runtime::Handle;

use super::args::ImportArgs;
use super::failure::Failure;
use super::serve::embed::embedder;

pub(super) async fn run(arguments: ImportArgs) -> Result<(), Failure> {
    let runtime = Handle::current();
    let imported = tokio::task::spawn_blocking(move || import(&arguments, runtime));
    imported
        .await
        .map_err(|error| Failure::of("the import broke off", &error))?
}

fn import(arguments: &ImportArgs, runtime: Handle) -> Result<(), Failure> {
    let mut input: Box<dyn BufRead> = match &arguments.file {
        None => Box::new(BufReader::new(std::io::stdin())),
        Some(file) => Box::new(BufReader::new(File::open(file).map_err(|error| {
            Failure::of(format!("cannot read {}", file.display()), &error)
        })?)),
    };
    let failed = |error: &dyn std::error::Error| Failure::of("nothing was imported", error);
    let open = || Store::open(&arguments.data_dir).map_err(|error| failed(&error));
    let (store, done) = if arguments.reembed {
        let embedder = embedder(&arguments.embed, runtime)?;
        let space = VectorSpace {
            model: embedder.model().to_owned(),
            dimension: embedder.dimension(),
        };
        let store = open()?;
        let mut embed = |texts: &[&str]| Ok(embedder.embed(texts)?);
        let done = store.import(&mut input, Some((&space, &mut embed)));
        (store, done)
    } else {
        let store = open()?;
        let done = store.import(&mut input, None);
        (store, done)
    };
    let items = done.map_err(|error| match error {
        TransferError::Store(StoreError::OtherSpace { recorded, wanted }) => {
            Failure::new(format!(
                "nothing was imported: the vectors are of {wanted}, the store's of {recorded}; import with --reembed and the store's model, or into another folder"
            ))
        }
        error => failed(&error),
    })?;
    let total = store.count().map_err(|error| failed(&error))?;
    println!("{items} items imported; the store holds {total}");
    Ok(())
}
