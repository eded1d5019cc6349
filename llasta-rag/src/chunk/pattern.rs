//! Files by patterns, for shells that do not know `**` and for lists that would be too long.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::ChunkError;
use super::discover::walk;

/// What makes a path a pattern.
const SIGNS: [char; 4] = ['*', '?', '[', '{'];

/// A path with places that stand for anything.
pub(super) struct Pattern {
    text: String,
    /// The folder that all matches are in: what comes before the first sign.
    base: PathBuf,
}

impl Pattern {
    /// The pattern that a path is: it has a sign, and nothing is called exactly so.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        if !text.contains(SIGNS) || path.exists() {
            return None;
        }
        let base = path.components().take_while(|part| {
            !part
                .as_os_str()
                .to_str()
                .is_some_and(|part| part.contains(SIGNS))
        });
        Some(Self {
            text: text.to_owned(),
            base: base.collect(),
        })
    }

    /// The files that match and can be read, at least one.
    pub(super) fn files(self) -> Result<Vec<PathBuf>, ChunkError> {
        let matcher = self.matcher()?;
        let here = self.base.as_os_str().is_empty();
        let base = if here { Path::new(".") } else { &self.base };
        if !base.is_dir() {
            return Err(ChunkError::NoMatch { pattern: self.text });
        }
        let mut files = Vec::new();
        walk(base, &mut files)?;
        if here {
            for file in &mut files {
                *file = file.strip_prefix(".").unwrap_or(file).to_owned();
            }
        }
        files.retain(|file| matcher.is_match(file));
        if files.is_empty() {
            return Err(ChunkError::NoMatch { pattern: self.text });
        }
        Ok(files)
    }

    fn matcher(&self) -> Result<GlobMatcher, ChunkError> {
        // As the walk has them: without `./` before and `//` within.
        let plain: PathBuf = Path::new(&self.text).components().collect();
        GlobBuilder::new(&plain.to_string_lossy())
            .literal_separator(true)
            .build()
            .map(|glob| glob.compile_matcher())
            .map_err(|source| ChunkError::Pattern {
                pattern: self.text.clone(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::discover;
    use std::fs;

    #[test]
    fn patterns_match_as_in_a_shell_and_pass_over_what_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a.md",
            "b.txt",
            "x/c.md",
            "x/y/d.md",
            "x/y/e.png",
            "[odd].md",
            ".h/f.md",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        let found = |pattern: &str| -> Vec<String> {
            let files = discover(&[folder.path().join(pattern)]).unwrap();
            let names = files
                .iter()
                .map(|file| file.strip_prefix(folder.path()).unwrap());
            names
                .map(|name| name.to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(found("*.md"), ["[odd].md", "a.md"]);
        assert_eq!(found("**/*.md"), ["[odd].md", "a.md", "x/c.md", "x/y/d.md"]);
        assert_eq!(found("x/**"), ["x/c.md", "x/y/d.md"]);
        assert_eq!(found("{a,b}.*"), ["a.md", "b.txt"]);
        assert_eq!(found("x/./?.md"), ["x/c.md"]);
        assert_eq!(found("[odd].md"), ["[odd].md"]);
    }

    #[test]
    fn a_pattern_that_nothing_matches_or_that_is_none_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for (pattern, says) in [
            ("*.md", "no file"),
            ("none/*.md", "no file"),
            ("{a", "cannot be read"),
        ] {
            let error = discover(&[folder.path().join(pattern)])
                .unwrap_err()
                .to_string();
            assert!(error.contains(says) && error.contains(pattern), "{error}");
        }
    }
}
