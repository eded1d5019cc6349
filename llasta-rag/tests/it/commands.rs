//! `llasta ingest` and `llasta ask`, against services in this process.

use std::fs;

use serde_json::json;

use crate::support::{Chat, Ended, FakeLlm, Index, QUESTION, Say, Served, nobody, run};

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
    for _ in 0..2 {
        let ended = ingest.run(&[&ingest.path("")]).await.expect(0);
        assert!(
            ended.stdout.starts_with("3 chunks of 3 files ingested in "),
            "{ended:?}"
        );
        assert!(
            ended.stdout.ends_with("faiss-wrap holds 3 items\n"),
            "{ended:?}"
        );
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
    assert!(
        ended.stdout.ends_with("faiss-wrap holds 1 item\n"),
        "{ended:?}"
    );
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
    ended.complains(&[&unsupported, "md, markdown, txt, html, htm"]);
    assert_eq!(ingest.size().await, 0);
    ingest.run(&[]).await.expect(2).complains(&["<PATH>"]);
}

#[tokio::test]
async fn a_folder_without_texts_is_said_to_have_none() {
    let ingest = Ingest::of(&[("photo.png", b"\x89PNG"), ("blank.md", b" \n")]).await;
    let ended = ingest.run(&[&ingest.path("")]).await.expect(1);
    ended.complains(&["nothing to ingest", "md, markdown, txt, html, htm"]);
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn services_that_cannot_be_reached_are_named_with_their_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.md");
    fs::write(&file, "A text.").unwrap();
    let away = nobody();
    let ended = run(
        &["ingest", file.to_str().unwrap(), "--faiss-wrap-url", &away],
        &[],
    );
    ended
        .await
        .expect(1)
        .complains(&["cannot be reached", &away, "--faiss-wrap-url"]);
    for stream in [&[][..], &["--stream"]] {
        let arguments = [&["ask", "Why?", "--chatbot-rag-url", &away], stream].concat();
        let ended = run(&arguments, &[]).await.expect(1);
        ended.complains(&["cannot be reached", &away, "--chatbot-rag-url"]);
        assert_eq!(ended.stdout, "");
    }
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

#[tokio::test]
async fn a_question_is_answered_whole_and_streamed_with_sources_and_trace() {
    for stream in [false, true] {
        let say = if stream {
            Say::stream(&["<think>Hm.</think>", "On port", " 4317."])
        } else {
            Say::whole("<think>Hm.</think>On port 4317.")
        };
        let llm = FakeLlm::new(say).await;
        let chat = Chat::new(llm.url(), |_| {}).await;
        let served = Served::new(chat.app.clone()).await;
        let mut arguments = vec!["ask", QUESTION];
        if stream {
            arguments.push("--stream");
        }
        // A proxy is not asked for a service on this machine.
        let environment = [
            ("CHATBOT_RAG_URL", served.url.as_str()),
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("http_proxy", "http://127.0.0.1:1"),
        ];
        let ended = run(&arguments, &environment).await.expect(0);
        let lines: Vec<_> = ended.stdout.lines().collect();
        let [answer, "", "Sources:", source, trace] = lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(answer, "On port 4317.");
        assert!(source.starts_with("  [1] 0."), "{source}");
        assert!(source.ends_with("  ports.pdf, page 3"), "{source}");
        let server = crate::support::settled(&chat.seen, "POST /api/chat").await;
        assert_eq!(trace, format!("trace_id: {}", server[0].trace_id));
    }
}

#[tokio::test]
async fn what_keeps_chatbot_rag_from_answering_is_passed_on() {
    let chat = Chat::new(&nobody(), |_| {}).await;
    let served = Served::new(chat.app.clone()).await;
    let url = served.url.as_str();
    for stream in [&[][..], &["--stream"]] {
        let arguments = [&["ask", "Why?", "--chatbot-rag-url", url], stream].concat();
        let ended = run(&arguments, &[]).await.expect(1);
        ended.complains(&["the LLM cannot be reached"]);
    }
    let ended = run(&["ask", " ", "--chatbot-rag-url", url], &[]).await;
    ended.expect(1).complains(&["422", "blank"]);
}
