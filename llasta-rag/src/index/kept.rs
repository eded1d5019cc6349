//! The main part on disk: FAISS's own file, beside the index file that vouches for it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ffi::{Native, Opening};
use super::file::{self, MainFile, MainPart, damaged};
use super::sealed::{Live, Sealed};
use super::{Factory, IndexConfig, IndexError};

/// How the name of every main part's file ends.
const ENDING: &str = ".faiss";

/// Writes FAISS's file of a main part, unless it is there from before.
pub(super) fn write_main(
    path: &Path,
    main: &Sealed,
    factory: &Factory,
) -> Result<MainFile, IndexError> {
    if let Some(written) = main.written.get()
        && beside(path, &written.file).is_file()
    {
        return Ok(written.clone());
    }
    let wrong = |source| IndexError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(ENDING);
    let temporary = file::temporary_name(Path::new(&temporary));
    main.native.write(&temporary)?;
    let (bytes, sha256) = fingerprint(&temporary).map_err(wrong)?;
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    let written = MainFile {
        factory: factory.to_string(),
        file: format!("{stem}.{}{ENDING}", &sha256[..16]),
        bytes,
        sha256,
        labels: main.keys.len(),
    };
    settle(&temporary, &beside(path, &written.file)).map_err(wrong)?;
    Ok(main.written.get_or_init(|| written).clone())
}

/// Removes the main parts that the index file no longer names. One that is still open stays readable.
pub(super) fn remove_others(path: &Path, kept: Option<&MainFile>) {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_name()) else {
        return;
    };
    let stem = format!("{}.", stem.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.starts_with(&stem) && name.ends_with(ENDING);
        if ours && kept.is_none_or(|kept| kept.file != name) {
            // One that stays costs room and nothing else, and goes the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Opens the main part that an index file names.
pub(super) fn open_main(
    path: &Path,
    part: MainPart,
    dimension: usize,
    factory: &Factory,
    config: &IndexConfig,
) -> Result<(Sealed, Live), IndexError> {
    let MainPart { file, keys, bits } = part;
    if file.factory != **factory.as_str() {
        return Err(IndexError::OtherKind {
            path: path.to_owned(),
            expected: factory.to_string(),
            found: file.factory,
        });
    }
    if Path::new(&file.file).file_name() != Some(file.file.as_ref()) {
        return Err(damaged(path, "the name of its main part is no name"));
    }
    let main = beside(path, &file.file);
    match fingerprint(&main) {
        Ok(found) if found == (file.bytes, file.sha256.clone()) => {}
        Ok(_) => return Err(damaged(&main, "the checksum does not match")),
        Err(error) => return Err(damaged(&main, &format!("it cannot be read: {error}"))),
    }
    let native = open_native(&main, factory, config)?;

    let mut live = Live::default();
    let mut places = HashMap::new();
    let given = Live { bits, count: 0 };
    for (label, &key) in keys.iter().enumerate() {
        if given.holds(label) {
            live.set(label);
            if places.insert(key, label).is_some() {
                return Err(damaged(path, "a key occurs twice"));
            }
        }
    }
    let fits = native.dimension() == dimension
        && native.is_trained()
        && native.is_inner_product()
        && live.count <= native.len()
        && (native.lists().is_some() || native.len() == keys.len());
    if !fits {
        return Err(damaged(&main, "it does not fit its keys"));
    }
    let sealed = Sealed::new(native, keys, places, factory, config)?;
    let sealed = sealed.kept_in(main, file);
    Ok((sealed, live))
}

/// Opens FAISS's file, in place where that is wished and the kind can.
fn open_native(path: &Path, factory: &Factory, config: &IndexConfig) -> Result<Native, IndexError> {
    if config.mmap {
        let opening = if factory.is_graph() {
            Opening::MapVectors
        } else {
            Opening::MapLists
        };
        match Native::open(path, opening) {
            Ok(native) => return Ok(native),
            Err(error) => {
                tracing::warn!(%error, factory = %factory, "the index cannot stay in its file");
            }
        }
    }
    Native::open(path, Opening::Read)
}

/// The bytes of a file and the checksum over them, in hexadecimal.
fn fingerprint(path: &Path) -> io::Result<(u64, String)> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut input, &mut hash)?;
    let digits = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((bytes, digits))
}

/// Gives a file that was written under a temporary name its own.
fn settle(temporary: &Path, path: &Path) -> io::Result<()> {
    File::open(temporary)?.sync_all()?;
    fs::rename(temporary, path)?;
    file::sync_folder(path)
}

fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}
