//! A folder with a PDF, a Markdown file and an HTML file, from ingestion to cited answers, by the binary.

use serde_json::{Value, json};

use crate::support::{Llasta, run};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/handbook");

/// A question, what its best source must be, and a word that has to be in that passage.
const QUESTIONS: [(&str, &str, Option<u64>, &str); 4] = [
    (
        "What does error code E23 mean?",
        "manual.pdf",
        Some(3),
        "pump",
    ),
    (
        "After how many litres does the machine ask for descaling?",
        "manual.pdf",
        Some(2),
        "250",
    ),
    (
        "How many months of warranty does the Aurora 3 have?",
        "warranty.html",
        None,
        "36",
    ),
    (
        "Which water temperature does green tea need?",
        "brewing.md",
        None,
        "78",
    ),
];

#[tokio::test]
async fn a_folder_of_pdf_markdown_and_html_is_answered_from_with_its_sources_and_pages() {
    answers_with_sources("llasta/lexical-hash-1024", "0.3").await;
}

#[tokio::test]
#[ignore = "needs the weights of MiniLM and the feature candle: .ci/integration brings them"]
async fn handbook_questions_find_their_pages_with_minilm() {
    let model = std::env::var("LLASTA_TEST_MINILM").unwrap();
    answers_with_sources(&model, "0.2").await;
}

async fn answers_with_sources(model: &str, min_score: &str) {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let faiss_wrap = Llasta::serve(
        &["faiss-wrap", "--data-dir", data, "--embed-model", model],
        &[],
    )
    .await;
    let llm = Llasta::serve(&["llm", "--token-delay-ms", "0"], &[]).await;
    let chatbot = Llasta::serve(
        &[
            "chatbot-rag",
            "--faiss-wrap-url",
            &faiss_wrap.url,
            "--vllm-base-url",
            &llm.url,
            "--rag-min-score",
            min_score,
        ],
        &[],
    )
    .await;
    let ingested = run(
        &["ingest", FOLDER, "--faiss-wrap-url", &faiss_wrap.url],
        &[],
    );
    ingested.await.expect(0);

    for (question, file, page, word) in QUESTIONS {
        let body = json!({"messages": [{"role": "user", "content": question}]});
        let answer = chatbot.post("/api/chat", &body).await;
        let best = &answer["sources"][0];
        let source = best["metadata"]["source"].as_str().unwrap_or_default();
        assert!(source.ends_with(file), "{question}: {answer:#}");
        assert_eq!(
            best["metadata"]["page"].as_u64(),
            page,
            "{question}: {best:#}"
        );
        let text = best["text"].as_str().unwrap();
        assert!(text.contains(word), "{question}: {text}");
        assert!(!answer["message"]["content"].as_str().unwrap().is_empty());

        let streamed = run(
            &[
                "ask",
                question,
                "--chatbot-rag-url",
                &chatbot.url,
                "--stream",
            ],
            &[],
        );
        let streamed = streamed.await.expect(0);
        assert!(streamed.stdout.contains(file), "{}", streamed.stdout);
    }
    let health: Value = faiss_wrap.get("/health").await;
    assert_eq!(health["index_size"], health["metadata_size"]);
    for service in [chatbot, llm, faiss_wrap] {
        service.stop().await;
    }
}
