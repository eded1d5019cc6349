//! `llasta ingest`, against a faiss-wrap in this process.

use std::fs;

use serde_json::json;

use crate::support::{Ended, Index, Served, call, pdf, post, run};

struct Ingest {
    index: Index,
    served: Served,
    folder: tempfile::TempDir,
}

impl Ingest {
    /// An empty faiss-wrap, and a folder with these files.
    async fn of(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let index = Index::new();
        Self {
            served: Served::new(index.app.clone()).await,
            index,
            folder,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    async fn run(&self, paths: &[&str]) -> Ended {
        let mut arguments = vec!["ingest"];
        arguments.extend(paths);
        run(&arguments, &[("FAISS_WRAP_URL", &self.served.url)]).await
    }

    async fn size(&self) -> u64 {
        self.index.health().await["index_size"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_folder_is_ingested_to_its_bottom_and_a_second_time_changes_nothing() {
    let ingest = Ingest::of(&[
        (
            "ports.md",
            b"# Ports\n\nThe collector listens on port 4317.",
        ),
        (
            "sub/cats.html",
            b"<h1>Cats</h1><p>Cats sleep most of the day.</p>",
        ),
        ("invoices.txt", b"The invoice is due in April."),
        ("photo.png", b"\x89PNG"),
        (".hidden.md", b"hidden"),
    ])
    .await;
    for begins in [
        "3 chunks of 3 files ingested in ",
        "0 chunks of 0 files ingested in ",
    ] {
        let ended = ingest.run(&[&ingest.path("")]).await.expect(0);
        assert!(ended.stdout.starts_with(begins), "{ended:?}");
        ended.says(&["faiss-wrap holds 3 items\n"]);
        assert_eq!(ingest.size().await, 3);
    }
    let found = ingest
        .index
        .search(&json!({"query": "When do cats sleep?", "top_k": 1}))
        .await;
    assert_eq!(found[0]["metadata"]["source"], ingest.path("sub/cats.html"));
    assert_eq!(found[0]["metadata"]["heading"], "Cats");
}

#[tokio::test]
async fn one_file_is_ingested_by_itself() {
    let ingest = Ingest::of(&[("one.md", b"# One\n\nA text."), ("two.md", b"Two")]).await;
    let ended = ingest.run(&[&ingest.path("one.md")]).await.expect(0);
    assert!(
        ended.stdout.starts_with("1 chunk of 1 file ingested in "),
        "{ended:?}"
    );
    ended.says(&["faiss-wrap holds 1 item\n"]);
}

#[tokio::test]
async fn a_file_that_is_no_text_is_reported_and_the_rest_goes_in() {
    let ingest = Ingest::of(&[
        ("a.md", b"The collector listens."),
        ("b.md", b"caf\xe9"),
        ("c.md", b"Cats sleep."),
    ])
    .await;
    let ended = ingest.run(&[&ingest.path("")]).await.expect(1);
    ended.complains(&[&ingest.path("b.md"), "UTF-8", "1 file could not be read"]);
    assert!(ended.stdout.starts_with("2 chunks of 2 files"), "{ended:?}");
    assert_eq!(ingest.size().await, 2);

    let ended = ingest.run(&[&ingest.path("b.md")]).await.expect(1);
    ended.complains(&["nothing was ingested"]);
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_path_that_cannot_be_read_is_named_and_nothing_is_ingested() {
    let ingest = Ingest::of(&[("good.md", b"Good."), ("photo.png", b"\x89PNG")]).await;
    let (good, missing) = (ingest.path("good.md"), ingest.path("missing.md"));
    let ended = ingest.run(&[&good, &missing]).await.expect(1);
    ended.complains(&[&missing, "nothing was ingested"]);

    let unsupported = ingest.path("photo.png");
    let ended = ingest.run(&[&good, &unsupported]).await.expect(1);
    ended.complains(&[&unsupported, "md, markdown, txt, html, htm, pdf"]);
    assert_eq!(ingest.size().await, 0);
    ingest.run(&[]).await.expect(2).complains(&["<PATH>"]);
}

#[tokio::test]
async fn a_folder_without_texts_is_said_to_have_none() {
    let ingest = Ingest::of(&[("photo.png", b"\x89PNG"), ("blank.md", b" \n")]).await;
    let ended = ingest.run(&[&ingest.path("")]).await.expect(1);
    ended.complains(&["nothing to ingest", "md, markdown, txt, html, htm, pdf"]);
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_refusal_of_faiss_wrap_is_passed_on() {
    let index = Index::with_limit(10);
    let served = Served::new(index.app.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.md");
    fs::write(&file, "A text.").unwrap();
    let ended = run(
        &[
            "ingest",
            file.to_str().unwrap(),
            "--faiss-wrap-url",
            &served.url,
        ],
        &[],
    );
    ended
        .await
        .expect(1)
        .complains(&["413", "--max-body-bytes"]);
}

/// A text of several sections; each is a chunk.
fn sections(numbers: std::ops::Range<usize>) -> String {
    numbers
        .map(|n| format!("# Section {n}\n\nThe harbour number {n} has {n} cranes.\n\n"))
        .collect()
}

impl Ingest {
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    async fn ids(&self) -> Vec<String> {
        let listed = call(&self.index.app, post("/items", &json!({})))
            .await
            .json();
        let items = listed["items"].as_array().unwrap().iter();
        let mut ids: Vec<_> = items
            .map(|item| item["id"].as_str().unwrap().replace(&self.path(""), ""))
            .collect();
        ids.sort();
        ids
    }

    fn upserts(&self) -> u64 {
        self.index.seen.counter("faiss_wrap_upserts_total").unwrap()
    }
}

#[tokio::test]
async fn a_pdf_is_cited_by_its_pages() {
    let ingest = Ingest::of(&[(
        "manual.pdf",
        &pdf::of_pages(&[
            "Cranes lift containers.",
            "",
            "Ships wait in the harbour.\nPilots board them.",
        ]),
    )])
    .await;
    let ended = ingest.run(&[&ingest.path("manual.pdf")]).await.expect(0);
    ended.says(&["2 chunks of 1 file", "2 pages read"]);
    assert_eq!(
        ingest.ids().await,
        ["manual.pdf#page-1:0", "manual.pdf#page-3:0"]
    );
    let found = ingest
        .index
        .search(&json!({"query": "Where do ships wait?", "top_k": 1}))
        .await;
    assert_eq!(found[0]["metadata"]["page"], 3);
    assert_eq!(found[0]["metadata"]["title"], "A manual");
    let text = found[0]["text"].as_str().unwrap();
    assert!(text.contains("Ships wait in the harbour."), "{text}");
}

#[tokio::test]
async fn bad_pdfs_are_reported_with_what_to_do_and_the_rest_goes_in() {
    let good = pdf::of_pages(&["Ships wait in the harbour."]);
    let ingest = Ingest::of(&[
        ("a.md", b"Cats sleep."),
        ("cut.pdf", &good[..good.len() / 3]),
        ("empty.pdf", b""),
        ("good.pdf", &good),
        (
            "noise.pdf",
            &b"%PDF-1.4\n"
                .iter()
                .copied()
                .chain((0..4000).map(|n| (n * 37 % 251) as u8))
                .collect::<Vec<_>>(),
        ),
        ("scan.pdf", &pdf::of_pages(&["", ""])),
        ("secret.pdf", &pdf::encrypted()),
    ])
    .await;
    let ended = ingest.run(&[&ingest.path("")]).await.expect(1);
    ended.complains(&[
        &format!("{}: the PDF is damaged", ingest.path("cut.pdf")),
        &format!("{}: the PDF is damaged", ingest.path("empty.pdf")),
        &format!("{}: the PDF is damaged", ingest.path("noise.pdf")),
        &format!(
            "{}: the PDF has no text on its 2 pages",
            ingest.path("scan.pdf")
        ),
        &format!("{}: the PDF is encrypted", ingest.path("secret.pdf")),
        "5 files could not be read, the others are in",
    ]);
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    assert_eq!(ingest.ids().await, ["a.md#:0", "good.pdf#page-1:0"]);
}

#[tokio::test]
async fn a_damaged_page_costs_that_page_and_is_named() {
    let broken = pdf::with_broken_page(&["Cranes lift.", "broken", "Ships wait."], 2);
    let ingest = Ingest::of(&[("a.pdf", &broken)]).await;
    let ended = ingest.run(&[&ingest.path("a.pdf")]).await.expect(1);
    ended.complains(&[
        "a.pdf: damaged pages are missing: 2",
        "1 file could not be read in full",
    ]);
    assert_eq!(ingest.ids().await, ["a.pdf#page-1:0", "a.pdf#page-3:0"]);
}

#[tokio::test]
async fn patterns_are_files() {
    let ingest = Ingest::of(&[
        ("a.md", b"Cats sleep."),
        ("x/b.md", b"Dogs bark."),
        ("x/y/c.md", b"Ships wait."),
        ("x/y/d.txt", b"Cranes lift."),
    ])
    .await;
    ingest.run(&[&ingest.path("x/**/*.md")]).await.expect(0);
    assert_eq!(ingest.ids().await, ["x/b.md#:0", "x/y/c.md#:0"]);
    let none = ingest.path("*.pdf");
    let ended = ingest.run(&[&none]).await.expect(1);
    ended.complains(&[&none, "no file", "nothing was ingested"]);
}

#[tokio::test]
async fn a_dry_run_prints_the_chunks_and_needs_no_faiss_wrap() {
    let ingest = Ingest::of(&[
        ("a.md", sections(0..2).as_bytes()),
        ("b.pdf", &pdf::of_pages(&["Ships wait.", "Ships wait."])),
    ])
    .await;
    let ended = run(
        &[
            "ingest",
            "--dry-run",
            "--faiss-wrap-url",
            &crate::support::nobody(),
            &ingest.path(""),
        ],
        &[],
    );
    let ended = ended.await.expect(0);
    ended.says(&[
        "a.md#section-1:0 (",
        "Section 1\n\nThe harbour number 1 has 1 cranes.",
        "b.pdf#page-1:0 (page 1, 11 characters)\nShips wait.",
        "3 chunks of 2 files would be sent",
        "1 duplicate skipped",
    ]);
    assert_eq!(ingest.size().await, 0);
}

#[tokio::test]
async fn chunks_are_measured_in_tokens_when_asked() {
    let words = (0..200).map(|n| format!("word{n} ")).collect::<String>();
    let ingest = Ingest::of(&[("a.txt", words.as_bytes())]).await;
    let arguments = ["--max-tokens", "50", "--overlap-tokens", "0", "--dry-run"];
    let ended = ingest
        .run(&[&arguments[..], &[&ingest.path("")]].concat())
        .await
        .expect(0);
    ended.says(&["(50 tokens)", "4 chunks of 1 file"]);
    for (wrong, says) in [
        (
            &["--max-tokens", "50", "--max-chars", "9"][..],
            "--max-chars",
        ),
        (&["--overlap-tokens", "50"], "--max-tokens"),
        (&["--max-tokens", "50", "--overlap-tokens", "50"], "smaller"),
        (&["--max-tokens", "50", "--embed-model", "foo"], "foo"),
    ] {
        let ended = ingest.run(&[wrong, &[&ingest.path("")]].concat()).await;
        ended.expect(2).complains(&[says]);
    }
}

#[tokio::test]
async fn chunks_that_a_file_no_longer_has_are_deleted() {
    let ingest = Ingest::of(&[
        ("a.md", sections(0..5).as_bytes()),
        ("b.md", b"Cats sleep."),
    ])
    .await;
    ingest.run(&[&ingest.path("")]).await.expect(0);
    assert_eq!(ingest.size().await, 6);
    ingest.write("a.md", sections(1..4));
    let ended = ingest.run(&[&ingest.path("")]).await.expect(0);
    ended.says(&[
        "3 chunks of 1 file",
        "3 chunks replaced",
        "2 chunks deleted",
        "1 file unchanged",
    ]);
    assert_eq!(
        ingest.ids().await,
        [
            "a.md#section-1:0",
            "a.md#section-2:0",
            "a.md#section-3:0",
            "b.md#:0"
        ]
    );
    ingest.write("a.md", "\n");
    ingest
        .run(&[&ingest.path("a.md")])
        .await
        .expect(0)
        .says(&["3 chunks deleted"]);
    assert_eq!(ingest.ids().await, ["b.md#:0"]);
}

#[tokio::test]
async fn what_is_in_and_unchanged_is_not_sent_unless_forced() {
    let ingest = Ingest::of(&[
        ("a.md", sections(0..3).as_bytes()),
        ("b.txt", b"Cats sleep."),
    ])
    .await;
    let folder = ingest.path("");
    ingest.run(&[&folder]).await.expect(0);
    assert_eq!(ingest.upserts(), 4);
    ingest
        .run(&[&folder])
        .await
        .expect(0)
        .says(&["2 files unchanged"]);
    assert_eq!(ingest.upserts(), 4);
    // Other sizes make other chunks.
    ingest
        .run(&["--max-chars", "700", &folder])
        .await
        .expect(0)
        .says(&["4 chunks replaced"]);
    assert_eq!(ingest.upserts(), 8);
    ingest
        .run(&["--max-chars", "700", "--force", &folder])
        .await
        .expect(0);
    assert_eq!(ingest.upserts(), 12);
    assert_eq!(ingest.size().await, 4);
}

#[tokio::test]
async fn the_same_text_is_stored_once_and_is_there_as_long_as_any_file_has_it() {
    let same = "# Same\n\nCats sleep most of the day.\n\n";
    let ingest = Ingest::of(&[
        ("a.md", same.as_bytes()),
        ("b.md", format!("{same}# Own\n\nDogs bark.").as_bytes()),
        ("c.md", b"# Same\n\nCats  sleep\nmost of the day."),
    ])
    .await;
    let folder = ingest.path("");
    let ended = ingest.run(&[&folder]).await.expect(0);
    ended.says(&["2 chunks of 3 files", "2 duplicates skipped"]);
    assert_eq!(ingest.ids().await, ["a.md#same:0", "b.md#own:0"]);
    // Against what is stored, too.
    ingest.write("d.md", same);
    let ended = ingest.run(&[&ingest.path("d.md")]).await.expect(0);
    ended.says(&["0 chunks of 1 file", "1 duplicate skipped"]);
    // The file whose chunk stood for all has it no more: the next one's takes its place.
    ingest.write("a.md", "# Other\n\nShips wait.");
    ingest.run(&[&folder]).await.expect(0);
    assert_eq!(
        ingest.ids().await,
        ["a.md#other:0", "b.md#own:0", "b.md#same:0"]
    );
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    let ingest = Ingest::of(&[]).await;
    for file in 0..12 {
        ingest.write(&format!("{file}.md"), sections(file * 100..file * 100 + 40));
    }
    let folder = ingest.path("");
    let mut child = crate::support::command(
        &["ingest", &folder],
        &[("FAISS_WRAP_URL", &ingest.served.url)],
    )
    .stderr(std::process::Stdio::null())
    .stdout(std::process::Stdio::null())
    .spawn()
    .unwrap();
    crate::support::until(|| ingest.upserts() > 0).await;
    child.kill().await.unwrap();
    let before = ingest.upserts();

    let ended = ingest.run(&[&folder]).await.expect(0);
    assert_eq!(ingest.size().await, 480, "{ended:?}");
    // At most the batches that were under way were sent twice, of files that were not complete.
    let again = ingest.upserts() - (480 - before.min(480));
    assert!(again <= 5 * 64, "{again} chunks were sent again");
    ingest
        .run(&[&folder])
        .await
        .expect(0)
        .says(&["12 files unchanged"]);
}
