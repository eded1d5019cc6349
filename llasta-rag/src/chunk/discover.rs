//! Which files there are to read.

use std::fs;
use std::path::{Path, PathBuf};

use super::ChunkError;
use super::pattern::Pattern;

/// What can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `CommonMark` with tables.
    Markdown,
    /// HTML.
    Html,
    /// Paragraphs between blank lines.
    Text,
    /// PDF, page by page.
    Pdf,
}

impl Format {
    /// Every file name extension that is read, in lower case.
    pub const EXTENSIONS: [&'static str; 6] = ["md", "markdown", "txt", "html", "htm", "pdf"];

    /// The format that a file's extension stands for, in any case.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            "txt" => Some(Self::Text),
            "pdf" => Some(Self::Pdf),
            _ => None,
        }
    }
}

/// The files that `paths` stand for, sorted, each once. Folders are walked to the bottom: hidden
/// entries, other extensions and links to folders are passed over there. A file that is named itself
/// must be readable. A path that does not exist and has one of `*`, `?`, `[` or `{` is a pattern, such
/// as `docs/**/*.pdf`: `**` stands for folders to any depth.
///
/// # Errors
///
/// A path that does not exist, a folder that cannot be listed, a named file with an unknown extension,
/// or a pattern that is none or that nothing matches.
pub fn discover<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PathBuf>, ChunkError> {
    let mut files = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        if let Some(pattern) = Pattern::of(path) {
            files.extend(pattern.files()?);
            continue;
        }
        let metadata = fs::metadata(path).map_err(|source| ChunkError::Io {
            path: path.to_owned(),
            source,
        })?;
        if metadata.is_dir() {
            walk(path, &mut files)?;
        } else if Format::of(path).is_some() {
            files.push(path.to_owned());
        } else {
            return Err(ChunkError::Unsupported {
                path: path.to_owned(),
            });
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Adds the files below a folder that can be read.
pub(super) fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ChunkError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |source| ChunkError::Io {
            path: folder.clone(),
            source,
        };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            if kind.is_dir() {
                folders.push(path);
            } else if Format::of(&path).is_some() && path.is_file() {
                files.push(path);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        folder
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_and_unknown_files() {
        let folder = folder_with(&[
            "b.md",
            "a/z.TXT",
            "a/deep/er/x.html",
            "c.ppt",
            ".hidden.md",
            ".git/config.txt",
            "a/.b/c.md",
        ]);
        let files = discover(&[folder.path(), &folder.path().join("b.md")]).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| file.strip_prefix(folder.path()).unwrap())
            .collect();
        assert_eq!(
            names,
            ["a/deep/er/x.html", "a/z.TXT", "b.md"].map(Path::new)
        );
    }

    #[test]
    fn a_named_file_of_another_kind_or_a_missing_one_is_an_error() {
        let folder = folder_with(&["c.ppt"]);
        let unsupported = discover(&[folder.path().join("c.ppt")]).unwrap_err();
        assert!(
            matches!(unsupported, ChunkError::Unsupported { .. }),
            "{unsupported}"
        );
        let missing = discover(&[folder.path().join("none")]).unwrap_err();
        assert!(matches!(missing, ChunkError::Io { .. }), "{missing}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_does_not_go_round_in_circles() {
        let folder = folder_with(&["a/b.md"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        assert_eq!(discover(&[folder.path()]).unwrap().len(), 1);
    }
}
