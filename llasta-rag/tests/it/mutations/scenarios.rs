//! Services that fail as they should, and chats that do not come to their end: what they leave out
//! is no breach of the contract.

use futures_util::StreamExt;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::conform::{self, Finding, FindingId, Level};
use serde_json::json;

use super::capture::{Captured, There, World, block_on, captured, question};
use super::shown;
use crate::support::{FakeLlm, QUESTION, Say, client};

/// Asks chatbot-rag and says with which status it answers, once the whole answer is there.
async fn ask(world: &World, words: &str, stream: bool) -> u16 {
    let request = client().post(format!("{}/api/chat", world.chatbot.url));
    let answer = request.json(&question(words, stream)).send().await.unwrap();
    let status = answer.status().as_u16();
    answer.text().await.unwrap();
    status
}

fn conforms(captured: &Captured) {
    let findings = captured.findings();
    assert_eq!(findings, [], "{}", shown(&findings));
}

/// How many spans of this name there are.
fn count(captured: &Captured, name: &str) -> usize {
    captured
        .evidence
        .spans
        .iter()
        .filter(|span| span.name == name)
        .count()
}

#[test]
fn an_llm_that_is_down() {
    let captured = block_on(async {
        let mut world = World::new(There::NoLlm).await;
        world.fill().await;
        assert_eq!(ask(&world, QUESTION, false).await, 502);
        assert_eq!(ask(&world, QUESTION, true).await, 200);
        world.ended("/api/chat", 2).await;
        world.stop().await
    });
    assert_eq!(count(&captured, "vllm.response"), 0);
    assert_eq!(count(&captured, "response.send_to_frontend"), 1);
    conforms(&captured);
}

#[test]
fn a_faiss_wrap_that_is_down() {
    let captured = block_on(async {
        let mut world = World::new(There::NoIndex).await;
        for stream in [false, true] {
            assert_eq!(ask(&world, QUESTION, stream).await, 200);
        }
        world.ended("/api/chat", 2).await;
        world.stop().await
    });
    assert_eq!(count(&captured, "faiss.search"), 0);
    assert_eq!(count(&captured, "vllm.response"), 2);
    conforms(&captured);
}

#[test]
fn a_question_that_is_blank_and_a_body_that_is_none() {
    let captured = block_on(async {
        let mut world = World::new(There::All).await;
        assert_eq!(ask(&world, " ", false).await, 422);
        assert_eq!(ask(&world, "\n", true).await, 422);
        let request = client().post(format!("{}/api/chat", world.chatbot.url));
        let answer = request
            .body("{")
            .header("content-type", "application/json")
            .send()
            .await;
        assert!(answer.unwrap().status().is_client_error());
        let index = world.faiss_wrap.as_ref().unwrap();
        index.post("/search", &json!({"query": " "})).await;
        index.post("/upsert", &json!({"items": []})).await;
        world.ended("/api/chat", 3).await;
        world.stop().await
    });
    assert_eq!(count(&captured, "POST /api/chat"), 3);
    assert_eq!(count(&captured, "rag.retrieve_context"), 0);
    conforms(&captured);
}

#[test]
fn nothing_that_is_found() {
    let captured = block_on(async {
        let mut world = World::new(There::All).await;
        // Once the index is empty, and once there is nothing like it.
        assert_eq!(ask(&world, QUESTION, false).await, 200);
        world.fill().await;
        assert_eq!(ask(&world, "xyzzy", true).await, 200);
        world.ended("/api/chat", 2).await;
        world.stop().await
    });
    assert_eq!(count(&captured, "faiss.index_search"), 2);
    conforms(&captured);
}

#[test]
fn a_client_that_leaves_a_stream() {
    let captured = block_on(async {
        // Its answer stops in the middle, so whoever leaves then leaves in the middle.
        let llm = FakeLlm::new(Say::Silence(vec![
            Say::piece("Wait"),
            Say::piece(" for it"),
        ]))
        .await;
        let mut world = World::with(There::All, &[("VLLM_BASE_URL", llm.url())]).await;
        world.fill().await;
        let request = client().post(format!("{}/api/chat", world.chatbot.url));
        let answer = request
            .json(&question(QUESTION, true))
            .send()
            .await
            .unwrap();
        let mut pieces = answer.bytes_stream();
        pieces.next().await.unwrap().unwrap();
        drop(pieces);
        world.ended("/api/chat", 1).await;
        llm.open(0).await;
        // And once before anything of the answer was there.
        let request = client().post(format!("{}/api/chat", world.chatbot.url));
        let asking = tokio::spawn(request.json(&question(QUESTION, false)).send());
        llm.open(1).await;
        asking.abort();
        world.ended("/api/chat", 2).await;
        world.stop().await
    });
    let mut chats = captured
        .evidence
        .spans
        .iter()
        .filter(|span| span.name == "POST /api/chat");
    assert!(chats.all(|chat| chat.text("error.type") == Some("client_disconnect")));
    assert_eq!(count(&captured, "POST /api/chat"), 2);
    assert_eq!(count(&captured, "vllm.response"), 1);
    conforms(&captured);
}

#[test]
fn an_llm_that_breaks_off_in_the_middle() {
    let captured = block_on(async {
        let llm = FakeLlm::new(Say::Break(vec![Say::piece("Half")])).await;
        let mut world = World::with(There::All, &[("VLLM_BASE_URL", llm.url())]).await;
        world.fill().await;
        assert_eq!(ask(&world, QUESTION, true).await, 200);
        world.ended("/api/chat", 1).await;
        world.stop().await
    });
    assert_eq!(count(&captured, "vllm.response"), 1);
    conforms(&captured);
}

/// Only this service's signals.
fn alone(service: &str) -> Vec<Finding> {
    let mut captured = captured();
    captured
        .evidence
        .spans
        .retain(|span| span.service == service);
    captured
        .evidence
        .lines
        .retain(|line| line.contains(&format!("\"{service}\"")));
    let of_service =
        |page: &llasta_telemetry::testing::CapturedPage| page.service.as_deref() == Some(service);
    captured.evidence.pages.retain(of_service);
    captured.findings()
}

#[test]
fn a_service_alone_is_compared_as_far_as_it_goes() {
    assert_eq!(alone("faiss-wrap"), []);
    assert_eq!(alone("vllm"), []);
    let findings = alone("chatbot-rag");
    let [finding] = &findings[..] else {
        panic!("{}", shown(&findings));
    };
    let about = (finding.id, finding.level, finding.name.as_str());
    assert_eq!(
        about,
        (FindingId::MissingSpan, Level::Information, "faiss-wrap")
    );
    // What is only information fails no test.
    let mut captured = captured();
    captured
        .evidence
        .spans
        .retain(|span| span.service != "faiss-wrap");
    captured
        .evidence
        .lines
        .retain(|line| !line.contains("faiss-wrap"));
    conform::assert_conforms(&Schema::contract(), &captured.evidence);
}

#[test]
fn a_page_says_itself_whose_it_is() {
    let mut captured = captured();
    for page in &mut captured.evidence.pages {
        page.service = None;
    }
    conforms(&captured);
    // Without that too, it is known by what is on it.
    captured.page("faiss-wrap", |line| {
        (!line.contains("llasta_build_info")).then(|| line.to_owned())
    });
    captured.evidence.pages[1].service = None;
    let findings = captured.findings();
    assert_eq!(findings.len(), 1, "{}", shown(&findings));
    assert_eq!(
        (findings[0].id, &*findings[0].name),
        (FindingId::MissingMetric, "llasta_build_info")
    );
}
