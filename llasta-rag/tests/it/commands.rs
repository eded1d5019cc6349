//! `llasta ask`, against services in this process.

use std::fs;

use crate::support::{Chat, FakeLlm, QUESTION, Say, Served, nobody, run};

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
