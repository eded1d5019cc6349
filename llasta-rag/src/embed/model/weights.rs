//! The tensors of a checkpoint, read one at a time: a checkpoint of gigabytes is never in memory twice.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use candle_core::pickle::PthTensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::super::EmbedError;
use super::files::Files;

/// The tensors in one file.
pub(super) struct Weights<'a> {
    files: &'a Files,
    file: &'static str,
    /// What stands before each name, such as `roberta.`.
    prefix: &'static str,
    tensors: Tensors,
}

enum Tensors {
    Safetensors {
        path: std::path::PathBuf,
        /// Where the tensors begin in the file.
        begin: u64,
        entries: HashMap<String, Entry>,
    },
    Pickle(Box<PthTensors>),
}

/// A tensor in the header of a safetensors file.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl<'a> Weights<'a> {
    /// The encoder's weights.
    pub(super) fn of_encoder(files: &'a Files) -> Result<Self, EmbedError> {
        const SAFE: &str = "model.safetensors";
        const PICKLE: &str = "pytorch_model.bin";
        let (file, tensors) = if let Some(path) = files.optional(SAFE)? {
            let tensors = safetensors(&path).map_err(|error| files.damaged(SAFE, error))?;
            (SAFE, tensors)
        } else if let Some(path) = files.optional(PICKLE)? {
            (PICKLE, pickle(files, PICKLE, &path)?)
        } else {
            return Err(files.damaged(
                SAFE,
                "neither it nor pytorch_model.bin is there; a checkpoint in several parts has to be saved as one first",
            ));
        };
        let mut weights = Self {
            files,
            file,
            prefix: "",
            tensors,
        };
        for prefix in ["", "roberta.", "bert."] {
            weights.prefix = prefix;
            if weights.has("embeddings.word_embeddings.weight") {
                return Ok(weights);
            }
        }
        Err(files.damaged(
            file,
            "it has no embeddings.word_embeddings.weight: it holds no encoder of the kind that config.json says",
        ))
    }

    /// The weights of a head, if the checkpoint has it.
    pub(super) fn of_head(
        files: &'a Files,
        file: &'static str,
    ) -> Result<Option<Self>, EmbedError> {
        let Some(path) = files.optional(file)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            files,
            file,
            prefix: "",
            tensors: pickle(files, file, &path)?,
        }))
    }

    /// Whether there is a tensor of the name.
    pub(super) fn has(&self, name: &str) -> bool {
        let name = format!("{}{name}", self.prefix);
        match &self.tensors {
            Tensors::Safetensors { entries, .. } => entries.contains_key(&name),
            Tensors::Pickle(pickle) => pickle.tensor_infos().contains_key(&name),
        }
    }

    /// A refusal because of what the file holds.
    pub(super) fn refuse(&self, message: String) -> EmbedError {
        self.files.damaged(self.file, message)
    }

    /// A tensor's numbers, in the order of its rows.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EmbedError> {
        let full = format!("{}{name}", self.prefix);
        let refuse = |message: String| self.refuse(message);
        let tensor = match &self.tensors {
            Tensors::Safetensors {
                path,
                begin,
                entries,
            } => {
                let entry = entries.get(&full);
                entry.map(|entry| read(path, *begin, entry)).transpose()
            }
            Tensors::Pickle(pickle) => pickle.get(&full).map_err(|error| error.to_string()),
        };
        let tensor = tensor
            .map_err(|error| refuse(format!("{full} cannot be read: {error}")))?
            .ok_or_else(|| refuse(format!("it has no {full}")))?;
        if tensor.dims() != shape {
            return Err(refuse(format!(
                "{full} has the shape {:?}, and config.json says {shape:?}",
                tensor.dims()
            )));
        }
        let numbers = tensor
            .to_dtype(DType::F32)
            .and_then(|tensor| tensor.flatten_all()?.to_vec1::<f32>())
            .map_err(|error| refuse(format!("{full} cannot be read: {error}")))?;
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(refuse(format!("{full} has numbers that are not finite")))
        }
    }
}

fn pickle(files: &Files, file: &str, path: &Path) -> Result<Tensors, EmbedError> {
    PthTensors::new(path, None)
        .map(|tensors| Tensors::Pickle(Box::new(tensors)))
        .map_err(|error| files.damaged(file, error))
}

/// Reads the header: its length in eight bytes, and then JSON.
fn safetensors(path: &Path) -> Result<Tensors, String> {
    let fail = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(fail)?;
    let length = u64::from_le_bytes(length);
    let begin = length
        .checked_add(8)
        .filter(|&begin| begin <= size)
        .ok_or("it is cut off, or no safetensors file")?;
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(fail)?;
    let header: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|error| format!("its header: {error}"))?;
    let mut entries = HashMap::new();
    for (name, value) in header {
        if name == "__metadata__" {
            continue;
        }
        let entry: Entry =
            serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))?;
        let (from, until) = entry.data_offsets;
        if from > until || until > size - begin {
            return Err(format!("{name} lies outside the file, which is cut off"));
        }
        entries.insert(name, entry);
    }
    Ok(Tensors::Safetensors {
        path: path.to_owned(),
        begin,
        entries,
    })
}

fn read(path: &Path, begin: u64, entry: &Entry) -> Result<Tensor, String> {
    let dtype = match entry.dtype.as_str() {
        "F32" => DType::F32,
        "F16" => DType::F16,
        "BF16" => DType::BF16,
        "F64" => DType::F64,
        other => return Err(format!("its type is {other}")),
    };
    let (from, until) = entry.data_offsets;
    let expected = entry
        .shape
        .iter()
        .try_fold(dtype.size_in_bytes(), |size, &n| size.checked_mul(n));
    if expected.map(|size| size as u64) != Some(until - from) {
        return Err("its size is not that of its shape".to_owned());
    }
    let mut bytes = vec![0; (until - from) as usize];
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    file.seek(SeekFrom::Start(begin + from))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|error| error.to_string())?;
    Tensor::from_raw_buffer(&bytes, dtype, &entry.shape, &Device::Cpu)
        .map_err(|error| error.to_string())
}
