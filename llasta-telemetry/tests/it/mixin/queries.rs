//! Finding the queries: in dashboards, rules, alerts, data sources and documents.

use std::path::{Path, PathBuf};

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Prom,
    Trace,
    Log,
}

impl Language {
    /// By the word that a code block, a description or a heading has for it.
    fn named(word: &str) -> Option<Self> {
        match word.to_lowercase().as_str() {
            "promql" | "prometheus" => Some(Self::Prom),
            "traceql" | "tempo" => Some(Self::Trace),
            "logql" | "loki" => Some(Self::Log),
            _ => None,
        }
    }
}

/// A query, and where it stands.
pub(super) struct Query {
    pub(super) place: String,
    pub(super) language: Language,
    pub(super) text: String,
}

/// A file, by its path from the workspace's root.
pub(super) struct Text {
    pub(super) place: String,
    pub(super) text: String,
}

fn root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    manifest.contains("[workspace]").then(|| root.to_owned())
}

pub(super) fn mixin() -> Option<PathBuf> {
    Some(root()?.join("llasta-telemetry/mixin"))
}

/// The files under a folder whose names end so.
fn files(folder: &str, end: &str) -> Option<Vec<Text>> {
    let root = root()?;
    let mut folders = vec![root.join(folder)];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                let place = path.strip_prefix(&root).unwrap();
                texts.push(Text {
                    place: place.to_string_lossy().into_owned(),
                    text: std::fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    Some(texts)
}

/// Every rule and alert.
pub(super) fn rules() -> Option<Vec<yaml_serde::Value>> {
    let mut rules = Vec::new();
    for folder in ["rules", "alerts"] {
        for file in files(&format!("llasta-telemetry/mixin/{folder}"), ".yaml")? {
            let file: yaml_serde::Value = yaml_serde::from_str(&file.text).unwrap();
            for group in file["groups"].as_sequence().unwrap() {
                rules.extend(group["rules"].as_sequence().unwrap().iter().cloned());
            }
        }
    }
    Some(rules)
}

/// What speaks of the contract in words: the documents of the mixin, and the mixin itself.
pub(super) fn texts() -> Option<Vec<Text>> {
    let mut texts = files("docs/runbooks", ".md")?;
    texts.extend(files("llasta-telemetry/mixin", "")?);
    let documents = files("docs", ".md")?;
    let pages = ["docs/queries.md", "docs/observability.md"];
    texts.extend(
        documents
            .into_iter()
            .filter(|file| pages.contains(&file.place.as_str())),
    );
    Some(texts)
}

pub(super) fn queries() -> Option<Vec<Query>> {
    let mut queries = Vec::new();
    for file in files("llasta-telemetry/mixin/dashboards", ".json")? {
        let dashboard: Value = serde_json::from_str(&file.text).unwrap();
        of_dashboard(&file.place, &dashboard, &mut queries);
    }
    for rule in rules()? {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        let mut add = |language, text: &str| {
            queries.push(Query {
                place: name.to_owned(),
                language,
                text: filled(text),
            });
        };
        add(Language::Prom, rule["expr"].as_str().unwrap());
        let description = rule["annotations"]["description"].as_str();
        for line in description.unwrap_or_default().lines() {
            if let Some((word, rest)) = line.split_once(": `")
                && let Some(language) = Language::named(word)
            {
                add(language, rest.trim_end_matches('`'));
            }
        }
    }
    for file in files("llasta-telemetry/mixin/provisioning/datasources", ".yaml")? {
        let sources: yaml_serde::Value = yaml_serde::from_str(&file.text).unwrap();
        for source in sources["datasources"].as_sequence().unwrap() {
            let data = &source["jsonData"];
            let metrics = data["tracesToMetrics"]["queries"].as_sequence();
            let metrics = metrics
                .into_iter()
                .flatten()
                .map(|query| (Language::Prom, &query["query"]));
            let logs = [(Language::Log, &data["tracesToLogsV2"]["query"])];
            for (language, text) in metrics.chain(logs) {
                if let Some(text) = text.as_str() {
                    queries.push(Query {
                        place: file.place.clone(),
                        language,
                        text: filled(text),
                    });
                }
            }
        }
    }
    let mut pages = files("docs", ".md")?;
    pages.push(Text {
        place: "README.md".to_owned(),
        text: std::fs::read_to_string(root()?.join("README.md")).unwrap(),
    });
    for page in pages {
        of_page(&page, &mut queries);
    }
    Some(queries)
}

fn of_dashboard(place: &str, dashboard: &Value, queries: &mut Vec<Query>) {
    let mut add = |place: &str, language, text: &str| {
        queries.push(Query {
            place: place.to_owned(),
            language,
            text: filled(text),
        });
    };
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = format!("{place}: {}", panel["title"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let kind = target["datasource"]["type"].as_str().unwrap();
            let text = target["expr"].as_str().or(target["query"].as_str());
            add(&place, Language::named(kind).unwrap(), text.unwrap());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        // label_values(SELECTOR, LABEL)
        if let Some(text) = variable["query"]["query"].as_str() {
            let inner = text.strip_prefix("label_values(").unwrap();
            add(place, Language::Prom, inner.rsplit_once(',').unwrap().0);
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let text = annotation["target"]["expr"].as_str().unwrap();
        add(place, Language::Prom, text);
    }
}

/// The queries of a page: in fenced blocks, where an empty line parts one from the next, and in the
/// last column of tables that call it "query", in the language that the heading above names.
fn of_page(page: &Text, queries: &mut Vec<Query>) {
    let mut add = |language, text: &str| {
        queries.push(Query {
            place: page.place.clone(),
            language,
            text: filled(text),
        });
    };
    let mut block: Option<(Option<Language>, String)> = None;
    let (mut heading, mut in_queries) = (None, false);
    for line in page.text.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            match block.take() {
                None => block = Some((Language::named(fence), String::new())),
                Some((Some(language), text)) => {
                    for query in text.split("\n\n").filter(|query| !query.trim().is_empty()) {
                        add(language, query.trim());
                    }
                }
                Some((None, _)) => {}
            }
        } else if let Some((_, text)) = &mut block {
            if !line.starts_with('#') {
                text.push_str(line);
                text.push('\n');
            }
        } else if line.starts_with('#') {
            heading = line.split(' ').find_map(Language::named);
        } else if let Some(cells) = line.strip_suffix(" |") {
            if cells.ends_with("| query") {
                in_queries = true;
            } else if in_queries && !cells.starts_with("|-") {
                let query = cells.rsplit_once(" | `").map(|(_, query)| query);
                let query = query.and_then(|query| query.strip_suffix('`'));
                let query = query.unwrap_or_else(|| panic!("{}: {line}", page.place));
                add(heading.expect("the heading names the language"), query);
            }
        } else {
            in_queries &= line.starts_with('|');
        }
    }
}

/// With what Grafana, and the alert, put in.
fn filled(text: &str) -> String {
    let mut text = text
        .replace("$__rate_interval", "5m")
        .replace("$__range", "1h")
        .replace("$$__tags", "job=\"chatbot-rag\"")
        .replace("$cluster", ".*")
        .replace("$namespace", ".*");
    while let Some(start) = text.find("=\"{{ $labels.") {
        let end = text[start..].find("}}\"").expect("a template ends") + start + 3;
        text.replace_range(start..end, "=~\".*\"");
    }
    text
}
