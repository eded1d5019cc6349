//! `llasta schema`: what it writes and compares, and that the services emit nothing else.

use std::collections::BTreeSet;

use llasta_telemetry::registry::{self, Format, Weaver};
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::OtlpReceiver;
use serde_json::{Value, json};

use crate::support::{DEADLINE, Ended, Llasta, run};

async fn schema(arguments: &[&str]) -> Ended {
    let mut all = vec!["schema"];
    all.extend(arguments);
    run(&all, &[]).await
}

#[tokio::test]
async fn one_file_goes_to_standard_output_as_it_is() {
    for format in ["json", "json-schema", "python"] {
        let ended = schema(&["export", "--format", format]).await.expect(0);
        let files = registry::export(&Schema::contract(), format.parse().unwrap());
        assert_eq!(ended.stdout, files[0].text, "{format}");
    }
}

#[tokio::test]
async fn several_files_each_stand_under_their_name() {
    for format in ["weaver", "markdown"] {
        let ended = schema(&["export", "--format", format]).await.expect(0);
        let files = registry::export(&Schema::contract(), format.parse().unwrap());
        let expected: String = files
            .iter()
            .map(|file| format!("==> {} <==\n{}", file.path, file.text))
            .collect();
        assert_eq!(ended.stdout, expected, "{format}");
    }
}

#[tokio::test]
async fn files_are_written_where_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let export = async |format: &str, output: &str| {
        let ended = schema(&["export", "--format", format, "--output", output]).await;
        assert_eq!(ended.expect(0).stdout, "");
    };
    export("json", &path("new/one.json")).await;
    export("json", &path("")).await;
    export("weaver", &path("registry")).await;
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("new/one.json"), registry::json(&Schema::contract()));
    assert_eq!(read("schema.json"), read("new/one.json"));
    for file in registry::weaver(&Schema::contract(), &Weaver::default()) {
        assert_eq!(read(&format!("registry/{}", file.path)), file.text);
    }
}

#[tokio::test]
async fn a_schema_from_a_file_is_written_like_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    let shop = json!({
        "format": 1, "version": "2.0.0",
        "namespaces": [{
            "name": "shop", "brief": "A shop.", "owner": { "service": "shop" }, "version": "2.0.0",
            "declared_at": "shop/src/lib.rs:1",
            "keys": [{ "name": "shop.id", "type": "int", "brief": "Which.", "stability": "stable", "examples": ["7"] }],
        }],
    });
    std::fs::write(&path, shop.to_string()).unwrap();
    let path = path.to_string_lossy();
    let alone = schema(&["export", "--format", "json", "--schema", &path]).await;
    let alone = registry::read(&alone.expect(0).stdout).unwrap();
    assert!(alone.key("shop.id").is_some() && alone.key("rag.top_k").is_none());
    let both = schema(&["export", "--format", "json", "--schema", "current", &path]).await;
    let both = registry::read(&both.expect(0).stdout).unwrap();
    assert!(both.key("shop.id").is_some() && both.key("rag.top_k").is_some());
    // The same twice is the same; another under the name is not.
    let twice = schema(&["export", "--format", "json", "--schema", &path, &path]).await;
    twice.expect(0);
    let other = folder.path().join("other.json");
    let moved = shop
        .to_string()
        .replace("shop/src/lib.rs:1", "shop/src/other.rs:9");
    std::fs::write(&other, moved).unwrap();
    let clash = schema(&[
        "export",
        "--format",
        "json",
        "--schema",
        &path,
        &other.to_string_lossy(),
    ])
    .await;
    clash
        .expect(2)
        .complains(&["shop.id", "shop/src/lib.rs:1", "shop/src/other.rs:9"]);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_with_what_can() {
    let format = schema(&["export", "--format", "xml"]).await;
    format
        .expect(2)
        .complains(&["json, json-schema, markdown, weaver, python"]);
    let upstream = schema(&["export", "--format", "json", "--upstream"]).await;
    upstream.expect(2).complains(&["--format weaver"]);
    let unknown = schema(&["export", "--format", "json", "--schema", "9.9.9"]).await;
    unknown.expect(2).complains(&["9.9.9", "current, 0.1.0"]);
}

#[tokio::test]
async fn the_upstream_registry_is_a_dependency_when_asked_for() {
    let ended = schema(&["export", "--format", "weaver", "--upstream"])
        .await
        .expect(0);
    assert!(ended.stdout.contains("registry_path:"));
    assert!(!ended.stdout.contains("key: http.route"));
}

#[tokio::test]
async fn schemas_that_say_the_same_have_no_differences() {
    let ended = schema(&["diff", "current", "current"]).await.expect(0);
    assert_eq!(ended.stdout, "current says the same as current.\n");
    let json = schema(&["diff", "0.1.0", "current", "--format", "json"])
        .await
        .expect(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["old"], "0.1.0");
    assert!(json["changes"].is_array());
}

#[tokio::test]
async fn what_breaks_undeclared_is_explained_and_ends_with_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.json");
    let text = registry::json(&Schema::contract());
    std::fs::write(&path, text.replace("rag.min_score", "rag.threshold")).unwrap();
    let path = path.to_string_lossy();
    let ended = schema(&["diff", "current", &path]).await.expect(1);
    for words in [
        "Breaking, and not declared",
        "`rag.min_score` is gone",
        "deprecated",
        "CHANGELOG: Schema, Removed",
        "- Removed: the attribute `rag.min_score` is gone.",
        "- Added: the attribute `rag.threshold` is new.",
    ] {
        assert!(
            ended.stdout.contains(words),
            "no {words:?}: {}",
            ended.stdout
        );
    }
    let json = schema(&["diff", "current", &path, "--format", "json"])
        .await
        .expect(1);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let changes = json["changes"].as_array().unwrap();
    let removed = changes
        .iter()
        .find(|change| change["id"] == "removed")
        .unwrap();
    assert_eq!(
        (&removed["name"], &removed["undeclared"]),
        (&json!("rag.min_score"), &json!(true))
    );
}

/// Every attribute key of the exported registry for Weaver, of all that the services say.
fn exported() -> BTreeSet<String> {
    let files = registry::export(&llasta_rag::schema::all(), Format::Weaver);
    let lines = files.iter().flat_map(|file| file.text.lines());
    lines
        .filter_map(|line| line.strip_prefix("- key: "))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_attribute_that_the_services_export_is_in_the_registry() {
    let receiver = OtlpReceiver::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = receiver.endpoint();
    let data = folder.path().to_string_lossy().into_owned();
    let environment = [
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        (
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
            "SPAN_AND_EVENT",
        ),
        // Spans of the `tracing` crate, with whatever they bring.
        ("LLASTA_LOG", "trace"),
        ("DATA_DIR", &*data),
    ];
    let faiss_wrap = Llasta::serve(&["faiss-wrap"], &environment).await;
    let llm = Llasta::serve(&["llm"], &environment).await;
    let mut neighbours = environment.to_vec();
    neighbours.push(("FAISS_WRAP_URL", &faiss_wrap.url));
    neighbours.push(("VLLM_BASE_URL", &llm.url));
    let chatbot = Llasta::serve(&["chatbot-rag"], &neighbours).await;

    let items = json!({ "items": [{ "id": "1", "text": "Traces are kept in Tempo." }] });
    faiss_wrap.post("/upsert", &items).await;
    let messages = json!([{ "role": "user", "content": "Where are traces kept?" }]);
    for stream in [false, true] {
        let body = json!({ "messages": messages, "stream": stream, "max_tokens": 64 });
        let request = crate::support::client().post(format!("{}/api/chat", chatbot.url));
        // A session of the user's and a conversation become attributes too.
        let request = request.header("baggage", "session.id=s-1,gen_ai.conversation.id=c-1");
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success());
        answer.text().await.unwrap();
    }
    for path in ["/nowhere", "/health"] {
        let url = format!("{}{path}", chatbot.url);
        let _ = crate::support::client().get(url).send().await.unwrap();
    }
    let brew = reqwest::Method::from_bytes(b"BREW").unwrap();
    let refused = crate::support::client().request(brew, format!("{}/api/chat", chatbot.url));
    refused.send().await.unwrap();
    for service in [chatbot, llm, faiss_wrap] {
        service.stop().await;
    }
    let enough = |spans: &[llasta_telemetry::testing::CapturedSpan]| spans.len() >= 24;
    let spans = receiver.wait_until(enough, DEADLINE).await;

    let emitted: BTreeSet<_> = spans
        .iter()
        .flat_map(|span| span.attributes.keys().chain(span.resource.keys()))
        .cloned()
        .collect();
    for known in [
        "rag.top_k",
        "session.id",
        "telemetry.sdk.name",
        "peer.service",
        "gen_ai.input.messages",
    ] {
        assert!(emitted.contains(known), "not emitted: {known}");
    }
    let missing: Vec<_> = emitted.difference(&exported()).cloned().collect();
    assert!(
        missing.is_empty(),
        "emitted, and not in the registry: {missing:?}"
    );
}

/// The queries and dashboards know vLLM's span from a list of what others emit; the stand-in makes it.
#[test]
fn the_span_of_vllm_is_the_same_in_the_mixin_and_in_the_stand_in() {
    let list = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../llasta-telemetry/mixin/foreign.json"
    );
    let list: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(list).unwrap()).unwrap();
    let listed = &list["vLLM 0.32"]["spans"];
    let declared: serde_json::Map<_, _> = llasta_rag::schema::vllm::NAMESPACE
        .spans
        .iter()
        .map(|span| {
            let keys = span.attributes.iter().map(|(key, _)| {
                let ty = serde_json::Value::from(key.ty.name());
                (key.name.to_owned(), ty)
            });
            (span.name.to_owned(), keys.collect())
        })
        .collect();
    assert_eq!(*listed, serde_json::Value::Object(declared));
}
