//! The command line: its help, its precedence, and what it says about values that cannot be.

use llasta_rag::service::MAX_BODY_BYTES;

use crate::support::{Llasta, run};

const FAISS: [&str; 4] = ["serve", "faiss-wrap", "--port", "0"];
const CHATBOT: [&str; 4] = ["serve", "chatbot-rag", "--port", "0"];
const LLM: [&str; 4] = ["serve", "llm", "--port", "0"];

#[tokio::test]
async fn each_help_names_its_settings_their_variables_and_their_defaults() {
    let bytes = MAX_BODY_BYTES.to_string();
    let every = [
        "--host",
        "APP_HOST",
        "[default: 127.0.0.1]",
        "--port",
        "APP_PORT",
        "--max-body-bytes",
        "MAX_BODY_BYTES",
        &bytes,
        "--otlp-endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "--log-format",
        "LLASTA_LOG_FORMAT",
    ];
    let services: [(&[&str], &[&str]); 3] = [
        (
            &["serve", "faiss-wrap"],
            &[
                "[default: 9000]",
                "DATA_DIR",
                "[default: llasta-data]",
                "EMBED_MODEL",
                "llasta/lexical-hash-1024",
                "EMBED_DEVICE",
                "[default: auto]",
                "EMBED_DTYPE",
                "EMBED_THREADS",
                "EMBED_BATCH_TOKENS",
                "EMBED_QUEUE",
                "EMBED_CACHE",
                "EMBED_BASE_URL",
                "EMBED_API_KEY",
                "INDEX",
                "auto, exact, faiss, milvus, or a factory string",
                "MILVUS_URL",
                "MILVUS_COLLECTION",
                "[default: AUTOINDEX]",
                "MILVUS_DATABASE",
                "MILVUS_PARTITION",
                "MILVUS_TOKEN",
                "MILVUS_CONSISTENCY",
                "[default: strong]",
                "MILVUS_TIMEOUT",
                "[default: 30]",
                "MILVUS_RETRIES",
                "RETRIEVAL",
                "[default: dense]",
            ],
        ),
        (
            &["serve", "chatbot-rag"],
            &[
                "[default: 8080]",
                "FAISS_WRAP_URL",
                "http://127.0.0.1:9000",
                "VLLM_BASE_URL",
                "http://127.0.0.1:8000",
                "VLLM_API_KEY",
                "VLLM_MODEL_NAME",
                "llasta/extractive",
                "RAG_TOP_K",
                "[default: 5]",
                "RAG_MIN_SCORE",
                "[default: 0.5]",
                "RAG_MAX_CONTEXT_CHARS",
                "[default: 4000]",
            ],
        ),
        (
            &["serve", "llm"],
            &[
                "[default: 8000]",
                "VLLM_MODEL_NAME",
                "LLM_TOKEN_DELAY_MS",
                "[default: 2]",
                "LLM_CONCURRENCY",
                "[default: 16]",
            ],
        ),
    ];
    let others: [(&[&str], &[&str]); 6] = [
        (&[], &["serve", "ingest", "ask", "demo", "OTEL_*"]),
        (&["serve"], &["faiss-wrap", "chatbot-rag", "llm"]),
        (
            &["ingest"],
            &[
                "FAISS_WRAP_URL",
                "[default: 800]",
                "[default: 100]",
                "HTML",
                "PDF",
                "--max-tokens",
                "EMBED_MODEL",
                "--dry-run",
                "--force",
            ],
        ),
        (
            &["migrate"],
            &["--from", "--to", "--sample", "MILVUS_INDEX", "MILVUS_TOKEN"],
        ),
        (
            &["ask"],
            &["CHATBOT_RAG_URL", "http://127.0.0.1:8080", "--stream"],
        ),
        (
            &["demo"],
            &[
                "--question",
                "--stream",
                "--json",
                "--docs",
                "--index",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
            ],
        ),
    ];
    for (command, own) in services.into_iter().chain(others) {
        let help = help(command, &[]).await;
        let of_services = if command.len() == 2 { &every[..] } else { &[] };
        for word in own.iter().chain(of_services) {
            assert!(help.contains(word), "{command:?}: no {word:?}: {help}");
        }
        assert!(!help.contains('`'), "{command:?}: {help}");
    }
    let help = help(&["serve", "chatbot-rag"], &[("VLLM_API_KEY", "secret")]).await;
    assert!(!help.contains("secret"), "{help}");
}

async fn help(command: &[&str], environment: &[(&str, &str)]) -> String {
    let mut arguments = command.to_vec();
    arguments.push("--help");
    let help = run(&arguments, environment).await.expect(0).stdout;
    // Lines are broken anywhere.
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Before anything is read or started, so that it does not matter that there is no such model.
#[cfg(not(feature = "cuda"))]
#[tokio::test]
async fn a_gpu_is_refused_by_a_build_without_cuda_which_names_the_feature() {
    for model in ["llasta/lexical-hash-1024", "BAAI/bge-m3"] {
        let more = ["--embed-device", "cuda:0", "--embed-model", model];
        let arguments: Vec<_> = FAISS.iter().chain(&more).copied().collect();
        let ended = run(&arguments, &[]).await;
        ended.expect(2).complains(&[
            "--embed-device (EMBED_DEVICE)",
            "cuda:0",
            "--features cuda",
            "--embed-device cpu",
        ]);
    }
}

#[tokio::test]
async fn what_is_wrong_on_the_command_line_is_named_with_what_is_allowed() {
    let bad: [(&[&str], &[&str], &[&str]); 20] = [
        (
            &FAISS,
            &["--nonsense"],
            &["--nonsense", "--data-dir", "--max-body-bytes"],
        ),
        (
            &["demo"],
            &["--nonsense=1"],
            &["--nonsense", "--question", "--json"],
        ),
        (
            &["nonsense"],
            &[],
            &["nonsense", "serve", "ingest", "ask", "demo"],
        ),
        (
            &["serve"],
            &["nonsense"],
            &["nonsense", "faiss-wrap", "chatbot-rag", "llm"],
        ),
        (
            &FAISS,
            &["--index", "foo"],
            &[
                "foo",
                "--index",
                "auto, exact, faiss, milvus, or a factory string",
            ],
        ),
        (
            &FAISS,
            &["--embed-model", "foo"],
            &["foo", "--embed-model", "llasta/lexical-hash-1024"],
        ),
        (
            &FAISS,
            &["--embed-dtype", "int8"],
            &["int8", "--embed-dtype", "f32, bf16 or f16"],
        ),
        (
            &FAISS,
            &["--embed-device", "gpu"],
            &["gpu", "--embed-device", "auto, cpu", "cuda:0"],
        ),
        (
            &FAISS,
            &["--embed-threads", "0"],
            &["--embed-threads", "1 to 1024"],
        ),
        (
            &FAISS,
            &["--embed-base-url", "tei:80"],
            &["tei:80", "--embed-base-url", "http://"],
        ),
        (
            &FAISS,
            &["--max-body-bytes", "0"],
            &["--max-body-bytes", "1 or more"],
        ),
        (&FAISS, &["--host", "here"], &["here", "--host"]),
        (
            &["serve", "llm"],
            &["--port", "70000"],
            &["70000", "--port", "0 to 65535"],
        ),
        (
            &LLM,
            &["--concurrency", "0"],
            &["--concurrency", "1 to 65535"],
        ),
        (
            &LLM,
            &["--log-format", "x"],
            &["x", "--log-format", "json or pretty"],
        ),
        (
            &CHATBOT,
            &["--rag-top-k", "51"],
            &["51", "--rag-top-k", "1 to 50"],
        ),
        (
            &CHATBOT,
            &["--rag-min-score=-0.1"],
            &["--rag-min-score", "0 to 1"],
        ),
        (&CHATBOT, &["--rag-min-score", "NaN"], &["NaN", "0 to 1"]),
        (
            &CHATBOT,
            &["--faiss-wrap-url", "index:9000"],
            &["index:9000", "http://"],
        ),
        (
            &["ingest", "."],
            &["--max-chars", "50"],
            &["--max-chars", "--overlap-chars", "smaller"],
        ),
    ];
    for (command, more, words) in bad {
        let arguments: Vec<_> = command.iter().chain(more).copied().collect();
        let ended = run(&arguments, &[]).await;
        let ended = ended.expect(2);
        ended.complains(words);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_the_environment_is_named_with_what_is_allowed() {
    let bad: [(&[&str], &str, &str, &[&str]); 15] = [
        (&["serve", "llm"], "APP_PORT", "abc", &["0 to 65535"]),
        (&CHATBOT, "APP_HOST", "localhost", &[]),
        (&CHATBOT, "RAG_MIN_SCORE", "2", &["0 to 1"]),
        (&CHATBOT, "RAG_TOP_K", "0", &["1 to 50"]),
        (&CHATBOT, "RAG_MAX_CONTEXT_CHARS", "-1", &["0 or more"]),
        (&CHATBOT, "VLLM_BASE_URL", "vllm", &["http://"]),
        (&FAISS, "EMBED_MODEL", "foo", &["llasta/lexical-hash-1024"]),
        (
            &FAISS,
            "INDEX",
            "foo",
            &["auto, exact, faiss, milvus, or a factory string"],
        ),
        (&FAISS, "RETRIEVAL", "sparse", &["dense or hybrid"]),
        (&LLM, "LLM_CONCURRENCY", "0", &["1 to 65535"]),
        (&LLM, "LLASTA_LOG_FORMAT", "x", &["json or pretty"]),
        (
            &LLM,
            "OTEL_TRACES_SAMPLER",
            "foo",
            &["always_on", "parentbased_traceidratio"],
        ),
        (&LLM, "OTEL_TRACES_EXPORTER", "zipkin", &["otlp or none"]),
        (&LLM, "OTEL_PROPAGATORS", "b3", &["tracecontext"]),
        (&LLM, "OTEL_BSP_SCHEDULE_DELAY", "soon", &["whole number"]),
    ];
    for (command, variable, value, allowed) in bad {
        let ended = run(command, &[(variable, value)]).await;
        let ended = ended.expect(2);
        ended.complains(&[variable, value]);
        ended.complains(allowed);
        assert_eq!(ended.stdout, "", "{variable}={value}");
    }
}

#[tokio::test]
async fn a_wrong_flag_is_not_blamed_on_the_environment() {
    let ended = run(&["serve", "llm", "--port", "abc"], &[("APP_PORT", "8000")]).await;
    let ended = ended.expect(2);
    assert!(!ended.stderr.contains("environment"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_and_that_before_the_default() {
    let variable = [("VLLM_MODEL_NAME", "of-variable")];
    let flag = ["llm", "--vllm-model-name", "of-flag"];
    for (arguments, environment, expected) in [
        (&flag[..], &variable[..], "of-flag"),
        (&flag[..1], &variable[..], "of-variable"),
        (&flag[..1], &[], "llasta/extractive"),
    ] {
        let service = Llasta::serve(arguments, environment).await;
        let models = service.get("/v1/models").await;
        assert_eq!(models["data"][0]["id"], expected);
        service.stop().await;
    }
    // Settings that the telemetry reads from the environment have flags too.
    let service = Llasta::serve(
        &[
            "llm",
            "--log-format",
            "json",
            "--otlp-endpoint",
            "http://flag:4317",
        ],
        &[
            ("LLASTA_LOG_FORMAT", "pretty"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variable:4317"),
        ],
    )
    .await;
    let lines = service.stop().await;
    assert_eq!(lines[0]["message"], "OTLP endpoint: http://flag:4317");
}

#[tokio::test]
async fn an_index_that_is_not_compiled_in_says_which_feature_it_needs() {
    if cfg!(feature = "faiss") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let ended = run(&FAISS, &[("INDEX", "faiss"), ("DATA_DIR", path)]).await;
    ended.expect(1).complains(&["faiss", "feature"]);
}

#[tokio::test]
async fn a_gpu_for_the_index_that_cannot_be_had_ends_the_start_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let start = [("INDEX_DEVICE", "cuda:4096"), ("DATA_DIR", path)];
    let ended = run(&FAISS, &start).await;
    ended
        .expect(1)
        .complains(&["cannot search on cuda:4096", "--index-device cpu"]);
    let ended = run(&FAISS, &[("INDEX_DEVICE", "gpu"), ("DATA_DIR", path)]).await;
    ended.expect(2).complains(&["--index-device", "cuda:0,1"]);
    let ended = run(&FAISS, &[("INDEX_GPU_MEMORY", "4096"), ("DATA_DIR", path)]).await;
    ended.expect(2).complains(&["--index-gpu-memory", "1536"]);
}

#[tokio::test]
async fn an_empty_key_is_no_key() {
    let llm = crate::support::FakeLlm::new(crate::support::Say::whole("Yes.")).await;
    for (key, sent) in [("", None), ("secret", Some("Bearer secret"))] {
        let service = Llasta::serve(
            &["chatbot-rag", "--faiss-wrap-url", "http://127.0.0.1:1"],
            &[("VLLM_API_KEY", key), ("VLLM_BASE_URL", llm.url())],
        )
        .await;
        let body = serde_json::json!({"messages": [{"role": "user", "content": "Hello?"}]});
        service.post("/api/chat", &body).await;
        let headers = llm.headers();
        let authorization = headers.last().unwrap().get("authorization");
        assert_eq!(authorization.map(|value| value.to_str().unwrap()), sent);
        service.stop().await;
    }
}
