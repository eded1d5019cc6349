//! The main part on disk: FAISS's own file, beside the index file that vouches for it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ffi::{Native, Opening};
use super::file::{self, MainFile, MainPart, damaged};
use super::sealed::{Live, Sealed};
use super::{Factory, IndexConfig, IndexError};

/// How the name of every main part's file ends.
const ENDING: &str = ".faiss";
/// How much of either end is checked of a file that is not read whole.
const END: u64 = 1 << 20;

/// Writes FAISS's file of a main part, unless it is there from before.
pub(super) fn write_main(
    path: &Path,
    main: &Sealed,
    factory: &Factory,
) -> Result<MainFile, IndexError> {
    if let Some(written) = main.written.get() {
        let file = name_of(path, &written.sha256);
        if beside(path, &file).is_file() {
            let written = written.clone();
            return Ok(MainFile { file, ..written });
        }
    }
    let wrong = |source| IndexError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(ENDING);
    let temporary = file::temporary_name(Path::new(&temporary));
    match main.mapped_from() {
        // Of lists that stay in a file, FAISS would write no more than that they do.
        Some(source) => fs::copy(source, &temporary).map(drop).map_err(wrong)?,
        None => main.native.write(&temporary)?,
    }
    let (bytes, sha256) = fingerprint(&temporary).map_err(wrong)?;
    let (_, ends) = fingerprint_of_ends(&temporary).map_err(wrong)?;
    let written = MainFile {
        factory: factory.to_string(),
        file: name_of(path, &sha256),
        bytes,
        sha256,
        ends,
        labels: main.keys.len(),
    };
    settle(&temporary, &beside(path, &written.file)).map_err(wrong)?;
    // What was written first is remembered; what is named here is what was written here.
    let _ = main.written.set(written.clone());
    Ok(written)
}

/// The name of a main part beside its index file.
fn name_of(path: &Path, sha256: &str) -> String {
    let stem = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{stem}.{}{ENDING}", &sha256[..16])
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
    let mapped = config.mmap && factory.stays_in_file();
    if config.mmap && !mapped {
        tracing::warn!(%factory, "this index cannot stay in its file and is read into memory");
    }
    // To read a large file whole at each start is what mapping is there to avoid.
    let (found, recorded) = if mapped {
        (fingerprint_of_ends(&main), &file.ends)
    } else {
        (fingerprint(&main), &file.sha256)
    };
    match found {
        Ok((bytes, digits)) if bytes == file.bytes && digits == *recorded => {}
        Ok(_) => return Err(damaged(&main, "the checksum does not match")),
        Err(error) => return Err(damaged(&main, &format!("it cannot be read: {error}"))),
    }
    let opening = match mapped {
        false => Opening::Read,
        true if factory.is_ivf() => Opening::MapLists,
        true => Opening::MapVectors,
    };
    let native = Native::open(&main, opening)?;

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
    let sealed = sealed.kept_in(file, mapped.then_some(main));
    Ok((sealed, live))
}

/// The bytes of a file and the checksum over them, in hexadecimal.
fn fingerprint(path: &Path) -> io::Result<(u64, String)> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut input, &mut hash)?;
    Ok((bytes, hexadecimal(hash)))
}

/// The bytes of a file and the checksum over its first and its last MiB, in hexadecimal.
fn fingerprint_of_ends(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut hash = Sha256::new();
    for start in [0, bytes.saturating_sub(END)] {
        file.seek(SeekFrom::Start(start))?;
        io::copy(&mut (&file).take(END), &mut hash)?;
    }
    Ok((bytes, hexadecimal(hash)))
}

fn hexadecimal(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
