//! Where a model's files are: in a folder, or in a repository of the Hugging Face hub.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::super::EmbedError;
use crate::api::chain;

/// A model's files. A file is downloaded when it is asked for.
pub(super) struct Files {
    name: String,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    /// Of a repository: what was downloaded before.
    Cached(CacheRepo),
    /// Of a repository: whatever it has.
    Hub(Box<ApiRepo>, HashSet<String>),
}

impl Files {
    /// Whether there could be a model of the name.
    pub(super) fn check_name(model: &str) -> Result<(), EmbedError> {
        if Path::new(model).is_dir() || repository(model).is_some() {
            return Ok(());
        }
        Err(EmbedError::UnknownModel {
            given: model.to_owned(),
        })
    }

    /// Finds the model, reading at most the repository's list of files.
    pub(super) fn open(model: &str) -> Result<Self, EmbedError> {
        let path = Path::new(model);
        if path.is_dir() {
            let folder = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            return Ok(Self {
                name: name_of_folder(&folder),
                place: Place::Folder(folder),
            });
        }
        let Some(repository) = repository(model) else {
            return Err(EmbedError::UnknownModel {
                given: model.to_owned(),
            });
        };
        let name = repository.url();
        let place = if offline() {
            let cached = Cache::from_env().repo(repository);
            if cached.get("config.json").is_none() {
                return Err(hub(
                    &name,
                    "HF_HUB_OFFLINE is set and the model is not in the cache: unset it once to download the model, or point HF_HOME to a cache that has it, or give a folder with its files",
                ));
            }
            Place::Cached(cached)
        } else {
            on_hub(&name, repository)?
        };
        Ok(Self { name, place })
    }

    /// The model's name: the repository's, or what the folder's files say.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A file that the model may do without.
    pub(super) fn optional(&self, file: &str) -> Result<Option<PathBuf>, EmbedError> {
        match &self.place {
            Place::Folder(folder) => Ok(Some(folder.join(file)).filter(|path| path.is_file())),
            Place::Cached(cached) => Ok(cached.get(file)),
            Place::Hub(_, files) if !files.contains(file) => Ok(None),
            Place::Hub(api, _) => api.get(file).map(Some).map_err(|error| {
                hub(
                    &self.name,
                    format!("{file} cannot be downloaded: {}", chain(&error)),
                )
            }),
        }
    }

    /// A file that must be there.
    pub(super) fn required(&self, file: &str) -> Result<PathBuf, EmbedError> {
        self.optional(file)?.ok_or_else(|| {
            let place = match &self.place {
                Place::Folder(folder) => format!("the folder {}", folder.display()),
                Place::Cached(_) => "the cache (and HF_HUB_OFFLINE is set)".to_owned(),
                Place::Hub(..) => "the repository".to_owned(),
            };
            self.damaged(file, format!("it is not in {place}"))
        })
    }

    /// The text of a file that the model may do without.
    pub(super) fn text(&self, file: &str) -> Result<Option<String>, EmbedError> {
        let Some(path) = self.optional(file)? else {
            return Ok(None);
        };
        std::fs::read_to_string(path)
            .map(Some)
            .map_err(|error| self.damaged(file, error))
    }

    /// A JSON file that the model may do without.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        file: &str,
    ) -> Result<Option<T>, EmbedError> {
        let Some(text) = self.text(file)? else {
            return Ok(None);
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| self.damaged(file, error))
    }

    /// A refusal because of what one file is or says.
    pub(super) fn damaged(&self, file: &str, message: impl Display) -> EmbedError {
        EmbedError::Checkpoint {
            model: self.name.clone(),
            file: file.to_owned(),
            message: message.to_string(),
        }
    }
}

/// `owner/name` or `owner/name@revision`.
fn repository(model: &str) -> Option<Repo> {
    let (id, revision) = match model.split_once('@') {
        Some((id, revision)) => (id, Some(revision)),
        None => (model, None),
    };
    let word = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(plain)
    };
    let (owner, name) = id.split_once('/')?;
    if !word(owner) || !word(name) || revision.is_some_and(str::is_empty) {
        return None;
    }
    let id = id.to_owned();
    Some(match revision {
        Some(revision) => Repo::with_revision(id, RepoType::Model, revision.to_owned()),
        None => Repo::model(id),
    })
}

/// As `huggingface_hub` reads the variable.
fn offline() -> bool {
    std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| {
        matches!(
            value.to_ascii_uppercase().as_str(),
            "1" | "TRUE" | "YES" | "ON"
        )
    })
}

fn on_hub(name: &str, repository: Repo) -> Result<Place, EmbedError> {
    let mut builder = ApiBuilder::from_env().with_progress(false);
    if let Some(token) = std::env::var("HF_TOKEN")
        .ok()
        .filter(|token| !token.trim().is_empty())
    {
        builder = builder.with_token(Some(token));
    }
    let api = builder
        .build()
        .map_err(|error| hub(name, chain(&error)))?
        .repo(repository.clone());
    match api.info() {
        Ok(info) => {
            let files = info.siblings.into_iter().map(|file| file.rfilename);
            Ok(Place::Hub(Box::new(api), files.collect()))
        }
        Err(error) => {
            let cached = Cache::from_env().repo(repository);
            if cached.get("config.json").is_none() {
                return Err(hub(
                    name,
                    format!(
                        "the repository cannot be read: {}; check its name and the network, set HF_TOKEN if it is gated, or give a folder with the model's files",
                        chain(&error)
                    ),
                ));
            }
            tracing::warn!(
                model = name,
                error = chain(&error),
                "the hub cannot be reached: the model is taken from the cache"
            );
            Ok(Place::Cached(cached))
        }
    }
}

fn hub(model: &str, message: impl Display) -> EmbedError {
    EmbedError::Hub {
        model: model.to_owned(),
        message: message.to_string(),
    }
}

/// A folder of the hub's cache, else the name under which the model's README loads it, else the
/// folder's own. (`_name_or_path` in `config.json` is no good: it names what the model was trained
/// from.)
fn name_of_folder(folder: &Path) -> String {
    let parts = || folder.iter().rev().filter_map(|part| part.to_str());
    if let Some(repository) = parts().find_map(|part| part.strip_prefix("models--")) {
        return repository.replacen("--", "/", 1);
    }
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    if let Some(name) = name_in(&readme) {
        return name;
    }
    parts().next().unwrap_or("model").to_owned()
}

/// The repository in the first `SentenceTransformer('…')` or `…Model('…')` of a README.
fn name_in(readme: &str) -> Option<String> {
    ["SentenceTransformer(", "FlagModel("]
        .iter()
        .flat_map(|call| readme.split(call).skip(1))
        .find_map(|rest| {
            let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            let name = rest[1..].split(quote).next()?;
            repository(name).filter(|_| !name.contains('@'))?;
            Some(name.to_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        assert_eq!(repository("BAAI/bge-m3").unwrap().url(), "BAAI/bge-m3");
        let revised = repository("BAAI/bge-m3@v1").unwrap();
        assert_eq!(revised.revision(), "v1");
        for none in [
            "bge-m3",
            "/models/bge-m3",
            "./bge",
            "../a/b",
            "a/b/c",
            "a/",
            "a b/c",
            "a/b@",
        ] {
            assert!(repository(none).is_none(), "{none}");
        }
    }

    #[test]
    fn a_folder_goes_by_what_its_files_call_it() {
        let cache = Path::new("/c/hub/models--BAAI--bge-m3/snapshots/1a2b");
        assert_eq!(name_of_folder(cache), "BAAI/bge-m3");
        let readme = "# x\nmodel = SentenceTransformer('sentence-transformers/all-MiniLM-L6-v2')\n";
        assert_eq!(
            name_in(readme).as_deref(),
            Some("sentence-transformers/all-MiniLM-L6-v2")
        );
        assert_eq!(name_in("SentenceTransformer(path)"), None);
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("my-model");
        std::fs::create_dir(&model).unwrap();
        assert_eq!(name_of_folder(&model), "my-model");
    }
}
