use std::collections::BTreeSet;

use llasta_telemetry::registry::{self, File};
use llasta_telemetry::schema::Schema;

use super::{in_repository, merged};

const COMMAND: &str =
    "cargo run -p llasta-rag -- schema export --format markdown --output docs/reference";

#[test]
fn the_reference_pages_are_as_the_declarations_say() {
    let Some(folder) = in_repository("docs/reference") else {
        println!("not checked: the crate stands alone");
        return;
    };
    let pages = registry::markdown(&Schema::contract());
    for page in &pages {
        let there = std::fs::read_to_string(folder.join(&page.path)).unwrap_or_default();
        assert!(
            there == page.text,
            "docs/reference/{} is stale: run `{COMMAND}`",
            page.path
        );
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = pages.iter().any(|page| page.path == name);
        assert!(
            known,
            "docs/reference/{name} is no page of the reference: remove it"
        );
    }
}

/// The places that links may lead to: headings, and anchors of rows.
fn anchors(page: &File) -> BTreeSet<String> {
    let headings = page.text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| {
            let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
            let text: String = heading.trim().chars().filter(kept).collect();
            text.to_lowercase().replace(' ', "-")
        })
    });
    let rows = page.text.split("<a id=\"").skip(1);
    let rows = rows.map(|rest| rest.split('"').next().unwrap().to_owned());
    headings.chain(rows).collect()
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let pages = registry::markdown(&merged());
    let mut links = 0;
    for page in &pages {
        for rest in page.text.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { &page.path } else { path };
            let target = pages.iter().find(|page| page.path == *path);
            let target = target.unwrap_or_else(|| panic!("{}: no page {path}", page.path));
            let there = anchor.is_empty() || anchors(target).contains(anchor);
            assert!(there, "{}: no {anchor} in {path}", page.path);
            links += 1;
        }
    }
    assert!(links > 100, "{links}");
}

#[test]
fn the_pages_name_everything_there_is_to_name() {
    let schema = merged();
    let pages = registry::markdown(&schema);
    let text = |path: &str| &pages.iter().find(|page| page.path == path).unwrap().text;
    let cell = |text: &str| text.replace('|', "\\|");
    for key in schema.keys() {
        let row = format!("`{}` | {} |", key.name, key.ty.name());
        assert!(text("attributes.md").contains(&row), "{row}");
        assert!(
            text("attributes.md").contains(&cell(key.brief)),
            "{}",
            key.brief
        );
        for example in key.examples {
            assert!(text("attributes.md").contains(&cell(example)), "{example}");
        }
    }
    for span in schema.spans() {
        assert!(text("spans.md").contains(span.name), "{}", span.name);
        assert!(text("spans.md").contains(span.brief), "{}", span.brief);
    }
    for metric in schema.metrics() {
        let row = format!("`{}` | {} |", metric.name, metric.instrument.name());
        assert!(text("metrics.md").contains(&row), "{row}");
        assert!(
            text("metrics.md").contains(&cell(metric.brief)),
            "{}",
            metric.brief
        );
    }
    for word in [
        "billing.sum",
        "billing_payments_total",
        "`coin` before 0.1.0",
    ] {
        assert!(pages.iter().any(|page| page.text.contains(word)), "{word}");
    }
    assert!(text("metrics.md").contains("## till"));
    assert!(text("attributes.md").contains("nobody takes cheques"));
}

#[test]
fn the_tree_stands_as_the_parents_say() {
    let pages = registry::markdown(&Schema::contract());
    let spans = &pages
        .iter()
        .find(|page| page.path == "spans.md")
        .unwrap()
        .text;
    let tree = spans
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let expected = [
        ("├─ faiss.search", "INTERNAL"),
        ("│  ├─ faiss.embed_query", "INTERNAL"),
        ("│  └─ faiss.index_search", "INTERNAL"),
        ("│  └─ vllm.response", "INTERNAL"),
        ("{http.request.method} {http.route}", "SERVER"),
        ("{http.request.method} {url.template}", "CLIENT"),
    ];
    for (name, kind) in expected {
        let line = tree.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in\n{tree}"));
        assert!(line.contains(kind), "{line}");
    }
    // A team's own spans, without those of HTTP, have a place to stand too.
    let own = registry::markdown(&super::own());
    let spans = &own
        .iter()
        .find(|page| page.path == "spans.md")
        .unwrap()
        .text;
    assert!(spans.contains("any span of an HTTP server"), "{spans}");
    assert!(spans.contains("└─ billing.charge"), "{spans}");
}
