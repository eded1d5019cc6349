//! The index file: a header that says what the vectors belong to, the rows, and a checksum.
//!
//! ```text
//! "llasta index 1\n"                                magic and version of the format
//! u64, then as many bytes of JSON                   generation, dimension, model, rows
//! rows x (u64 key, dimension x f32)                 the vectors
//! labels x u64, then a bit for each                 with a main part: its keys, and which of them count
//! 32 bytes                                          SHA-256 of all of the above
//! ```
//!
//! Numbers are little-endian. The flat backends hold plain rows, so they read and write the same file.
//! The main part of a [`FactoryIndex`](super::FactoryIndex) lies beside it in FAISS's own format, under
//! a name made of its checksum: FAISS's reader trusts what it reads, so it is handed only what the
//! checksum of this file vouches for. The file is written under a
//! temporary name and renamed: whoever dies whenever, the name holds one whole file or none.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{IndexError, Stamp};

const MAGIC: &[u8] = b"llasta index 1\n";
const CHECKSUM_BYTES: usize = 32;
/// A header is about 100 bytes; more than this is damage, not a model's name.
const HEADER_LIMIT: u64 = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Header {
    generation: u64,
    dimension: usize,
    model: String,
    rows: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main: Option<MainFile>,
}

/// Where the main part is, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MainFile {
    pub(super) factory: String,
    /// A name in the same folder.
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The checksum over its first and its last MiB, for who does not read all of it.
    pub(super) ends: String,
    pub(super) labels: usize,
}

/// A main part without FAISS's share of it.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "faiss"),
    expect(dead_code, reason = "a build without FAISS only sees that it is there")
)]
pub(super) struct MainPart {
    pub(super) file: MainFile,
    pub(super) keys: Vec<u64>,
    pub(super) bits: Vec<u8>,
}

/// Writes `count` rows.
pub(super) fn write<'a>(
    path: &Path,
    stamp: &Stamp,
    count: usize,
    rows: impl Iterator<Item = (u64, &'a [f32])>,
) -> Result<(), IndexError> {
    write_parts(path, stamp, count, rows, None)
}

/// Writes `count` rows and what belongs to a main part.
pub(super) fn write_parts<'a>(
    path: &Path,
    stamp: &Stamp,
    count: usize,
    rows: impl Iterator<Item = (u64, &'a [f32])>,
    main: Option<(&MainFile, &[u64], &[u8])>,
) -> Result<(), IndexError> {
    let temporary = temporary_name(path);
    let written = write_whole(&temporary, stamp, count, rows, main)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|source| {
        // The error that counts is the first one; a left-over temporary file is overwritten next time.
        let _ = fs::remove_file(&temporary);
        IndexError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        }
    })
}

/// Reads the file and hands each row to `row`, whose work is void if this returns an error.
pub(super) fn read(
    path: &Path,
    expected: &Stamp,
    mut row: impl FnMut(u64, &[f32]) -> Result<(), IndexError>,
) -> Result<Option<MainPart>, IndexError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => IndexError::NoFile {
            path: path.to_owned(),
        },
        _ => IndexError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        },
    })?;
    let size = file
        .metadata()
        .map_err(|error| broken_off(path, &error))?
        .len();
    let mut input = Hashing {
        inner: BufReader::new(file),
        hash: Sha256::new(),
    };
    let header = read_header(&mut input, path, size)?;

    // Without rows nothing has confirmed the dimension, so no memory is asked for in its name.
    let dimension = if header.rows == 0 {
        0
    } else {
        header.dimension
    };
    let mut bytes = vec![0; 8 + dimension * 4];
    let mut vector = vec![0.0; dimension];
    for _ in 0..header.rows {
        input
            .read_exact(&mut bytes)
            .map_err(|error| broken_off(path, &error))?;
        let (key, values) = bytes.split_at(8);
        for (value, bytes) in vector.iter_mut().zip(values.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        // Rows of another dimension would only be refused; the header's check below says so better.
        if header.dimension == expected.dimension {
            row(u64::from_le_bytes(first_8(key)), &vector)?;
        }
    }
    let main = match &header.main {
        None => None,
        Some(file) => Some(read_main(&mut input, file).map_err(|error| broken_off(path, &error))?),
    };
    let computed = input.hash.finalize();
    let mut recorded = [0; CHECKSUM_BYTES];
    input
        .inner
        .read_exact(&mut recorded)
        .map_err(|error| broken_off(path, &error))?;
    if computed.as_slice() != recorded {
        return Err(damaged(path, "the checksum does not match"));
    }
    check(path, header, expected)?;
    Ok(main)
}

fn read_main(input: &mut impl Read, file: &MainFile) -> io::Result<MainPart> {
    let mut bytes = vec![0; file.labels * 8];
    input.read_exact(&mut bytes)?;
    let keys = bytes.as_chunks().0.iter();
    let keys = keys.map(|key| u64::from_le_bytes(*key)).collect();
    let mut bits = vec![0; file.labels.div_ceil(8)];
    input.read_exact(&mut bits)?;
    let file = file.clone();
    Ok(MainPart { file, keys, bits })
}

fn check(path: &Path, header: Header, expected: &Stamp) -> Result<(), IndexError> {
    let path = path.to_owned();
    if header.dimension != expected.dimension {
        let (expected, found) = (expected.dimension, header.dimension);
        return Err(IndexError::OtherDimension {
            path,
            expected,
            found,
        });
    }
    if header.model != expected.model {
        let (expected, found) = (expected.model.clone(), header.model);
        return Err(IndexError::OtherModel {
            path,
            expected,
            found,
        });
    }
    if header.generation != expected.generation {
        let (expected, found) = (expected.generation, header.generation);
        return Err(IndexError::Stale {
            path,
            expected,
            found,
        });
    }
    Ok(())
}

/// Reads everything before the rows and checks it against the file's size, so that a damaged number
/// cannot make the reader ask for more memory than the file has bytes.
fn read_header(input: &mut impl Read, path: &Path, size: u64) -> Result<Header, IndexError> {
    let mut magic = [0; MAGIC.len()];
    let mut length = [0; 8];
    input
        .read_exact(&mut magic)
        .map_err(|error| broken_off(path, &error))?;
    if magic != MAGIC {
        return Err(damaged(
            path,
            "it does not begin as an index file of this version does",
        ));
    }
    input
        .read_exact(&mut length)
        .map_err(|error| broken_off(path, &error))?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_LIMIT {
        return Err(damaged(path, "its header is too long"));
    }
    let mut json = Vec::new();
    input
        .take(length)
        .read_to_end(&mut json)
        .map_err(|error| broken_off(path, &error))?;
    let header: Header =
        serde_json::from_slice(&json).map_err(|_| damaged(path, "its header is not readable"))?;

    let row_bytes = (header.dimension as u64)
        .checked_mul(4)
        .and_then(|bytes| bytes.checked_add(8));
    let expected_size = row_bytes
        .and_then(|bytes| bytes.checked_mul(header.rows as u64))
        .and_then(|bytes| {
            let labels = header.main.as_ref().map_or(0, |main| main.labels as u64);
            bytes
                .checked_add(labels.checked_mul(8)?)?
                .checked_add(labels.div_ceil(8))
        })
        .and_then(|bytes| bytes.checked_add((MAGIC.len() + 8 + CHECKSUM_BYTES) as u64 + length));
    if expected_size != Some(size) {
        return Err(damaged(path, "its size is not what its header says"));
    }
    Ok(header)
}

fn write_whole<'a>(
    path: &Path,
    stamp: &Stamp,
    count: usize,
    rows: impl Iterator<Item = (u64, &'a [f32])>,
    main: Option<(&MainFile, &[u64], &[u8])>,
) -> io::Result<()> {
    let mut output = Hashing {
        inner: BufWriter::new(File::create(path)?),
        hash: Sha256::new(),
    };
    let header = Header {
        generation: stamp.generation,
        dimension: stamp.dimension,
        model: stamp.model.clone(),
        rows: count,
        main: main.map(|(file, ..)| file.clone()),
    };
    let json = serde_json::to_vec(&header)?;
    output.write_all(MAGIC)?;
    output.write_all(&(json.len() as u64).to_le_bytes())?;
    output.write_all(&json)?;
    let mut bytes = Vec::with_capacity(8 + stamp.dimension * 4);
    for (key, vector) in rows {
        bytes.clear();
        bytes.extend_from_slice(&key.to_le_bytes());
        for value in vector {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        output.write_all(&bytes)?;
    }
    if let Some((file, keys, bits)) = main {
        for key in keys {
            output.write_all(&key.to_le_bytes())?;
        }
        let mut bits = bits.to_vec();
        bits.resize(file.labels.div_ceil(8), 0);
        output.write_all(&bits)?;
    }
    let checksum = output.hash.finalize();
    output.inner.write_all(&checksum)?;
    let file = output
        .inner
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// Makes the rename itself durable. A platform that cannot open folders has nothing to sync.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().map(File::open) {
        Some(Ok(folder)) => folder.sync_all(),
        _ => Ok(()),
    }
}

pub(super) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}

fn first_8(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}

pub(super) fn damaged(path: &Path, reason: &str) -> IndexError {
    IndexError::Damaged {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn broken_off(path: &Path, error: &io::Error) -> IndexError {
    damaged(path, &format!("reading it broke off: {error}"))
}

/// Passes bytes on and hashes them.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            generation: 7,
            dimension: 2,
            model: "m".to_owned(),
        }
    }

    fn written() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let rows: [(u64, &[f32]); 2] = [(3, &[1.0, 2.0]), (u64::MAX, &[-0.5, f32::MIN])];
        write(&path, &stamp(), 2, rows.into_iter()).unwrap();
        (folder, path)
    }

    fn rows_of(path: &Path, expected: &Stamp) -> Result<Vec<(u64, Vec<f32>)>, IndexError> {
        let mut rows = Vec::new();
        read(path, expected, |key, row| {
            rows.push((key, row.to_vec()));
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn what_was_written_is_read_and_no_temporary_file_stays() {
        let (folder, path) = written();
        let rows = rows_of(&path, &stamp()).unwrap();
        assert_eq!(
            rows,
            [(3, vec![1.0, 2.0]), (u64::MAX, vec![-0.5, f32::MIN])]
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_single_changed_byte_is_noticed() {
        let (_folder, path) = written();
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x20;
            fs::write(&path, &bytes).unwrap();
            let error = rows_of(&path, &stamp()).unwrap_err();
            assert!(
                matches!(error, IndexError::Damaged { .. }),
                "byte {position}: {error}"
            );
        }
    }

    #[test]
    fn a_file_cut_anywhere_or_with_a_tail_is_damaged() {
        let (_folder, path) = written();
        let whole = fs::read(&path).unwrap();
        let longer = [&whole[..], b"x"].concat();
        for bytes in (0..whole.len())
            .map(|end| &whole[..end])
            .chain([&longer[..]])
        {
            fs::write(&path, bytes).unwrap();
            let error = rows_of(&path, &stamp()).unwrap_err();
            assert!(
                matches!(error, IndexError::Damaged { .. }),
                "{} bytes: {error}",
                bytes.len()
            );
        }
    }

    #[test]
    fn a_file_of_another_generation_model_or_dimension_says_which() {
        let (folder, path) = written();
        assert!(matches!(
            rows_of(
                &path,
                &Stamp {
                    generation: 8,
                    ..stamp()
                }
            ),
            Err(IndexError::Stale {
                expected: 8,
                found: 7,
                ..
            })
        ));
        assert!(matches!(
            rows_of(
                &path,
                &Stamp {
                    model: "n".to_owned(),
                    ..stamp()
                }
            ),
            Err(IndexError::OtherModel { .. })
        ));
        assert!(matches!(
            rows_of(
                &path,
                &Stamp {
                    dimension: 3,
                    ..stamp()
                }
            ),
            Err(IndexError::OtherDimension {
                expected: 3,
                found: 2,
                ..
            })
        ));
        let missing = folder.path().join("none");
        assert!(matches!(
            rows_of(&missing, &stamp()),
            Err(IndexError::NoFile { .. })
        ));
    }
}
