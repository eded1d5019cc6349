//! Finding the source, and telling code from comments.

use std::path::{Path, PathBuf};

/// A source file: its path from the workspace's root, and its text.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

/// The workspace's root, when the crate lies in one.
pub(super) fn root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    manifest.contains("[workspace]").then(|| root.to_owned())
}

/// Every Rust file of the workspace.
pub(super) fn workspace() -> Option<Vec<Source>> {
    let root = root()?;
    let mut files = Vec::new();
    for member in ["llasta-telemetry", "llasta-rag", "examples", "benches"] {
        collect(&root, &root.join(member), &mut files);
    }
    Some(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(Source {
                path: path
                    .strip_prefix(root)
                    .unwrap()
                    .to_string_lossy()
                    .replace('\\', "/"),
                text: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// The text without its comments. String literals stay.
pub(super) fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else {
            let length = literal(rest).unwrap_or(next.len_utf8());
            code.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    code
}

/// The code without its literals, and the texts that stand in the strings among them.
pub(super) fn parted(code: &str) -> (String, Vec<&str>) {
    let (mut outside, mut strings) = (String::new(), Vec::new());
    let mut rest = code;
    while let Some(next) = rest.chars().next() {
        let length = literal(rest).unwrap_or_else(|| {
            outside.push(next);
            next.len_utf8()
        });
        let text = rest[..length].split_once('"');
        if let Some((before, text)) = text
            && before != "'"
        {
            strings.push(text.trim_end_matches('#').trim_end_matches('"'));
        }
        rest = &rest[length..];
    }
    (outside, strings)
}

/// The length of the literal that begins here, if one does.
fn literal(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = 1 + hashes + 1;
            return Some(body + text[body..].find(&end)? + end.len());
        }
    }
    if text.starts_with("'\"'") {
        return Some(3);
    }
    if text.starts_with('"') {
        let mut escaped = false;
        for (at, letter) in text.char_indices().skip(1) {
            match letter {
                '"' if !escaped => return Some(at + 1),
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
    }
    None
}

/// The code without what only tests are made of: everything behind `mod tests {`.
pub(super) fn shipped(text: &str) -> String {
    let code = code(text);
    match code.find("mod tests {") {
        Some(tests) => code[..tests].to_owned(),
        None => code,
    }
}
