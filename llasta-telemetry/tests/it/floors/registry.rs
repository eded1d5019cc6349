use llasta_telemetry::schema::{Schema, chatbot, faiss, rag};

mod billing {
    llasta_telemetry::schema! {
        /// Bills.
        namespace billing;

        keys {
            /// What is owed.
            AMOUNT: "billing.amount" => f64 { unit: "{euro}" },
            /// Not ours to declare again.
            TOP_K: "rag.top_k" => i64,
        }
    }
}

#[test]
fn the_contract_is_there_by_name() {
    let schema = Schema::contract();
    assert_eq!(schema.key("rag.top_k"), Some(rag::TOP_K.def()));
    assert_eq!(
        schema.span("faiss.search").map(|def| def.brief),
        Some(faiss::Search::DEF.brief)
    );
    let buckets = schema
        .metric("chatbot_rag_chunks_sent")
        .map(|def| def.buckets);
    assert_eq!(buckets, Some(&[0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0][..]));
    assert!(schema.key("rag.topk").is_none());
    // Eight named spans of the contract, its `response` among them, and the two of HTTP.
    assert_eq!(schema.spans().count(), 8 + 2);
    let blocks = schema
        .namespaces()
        .iter()
        .flat_map(|namespace| namespace.metrics);
    assert_eq!(blocks.copied().flatten().count(), schema.metrics().count());
}

#[test]
fn names_belong_to_whoever_declares_their_namespace() {
    let schema = Schema::contract();
    for ours in ["rag.anything", "llm.anything", "faiss.a.b", "vllm.anything"] {
        assert!(schema.owns(ours), "{ours}");
    }
    for theirs in [
        "gen_ai.anything",
        "http.anything",
        "service.name",
        "rag",
        "ragged.x",
        "",
    ] {
        assert!(!schema.owns(theirs), "{theirs}");
    }
}

#[test]
fn two_declarations_of_one_name_are_told_with_both_places() {
    let mut schema = Schema::contract();
    let clash = schema.add(&billing::NAMESPACE).unwrap_err();
    assert_eq!((clash.what, clash.name), ("key", "rag.top_k"));
    let text = clash.to_string();
    assert!(
        text.contains("rag.rs:") && text.contains("registry.rs:"),
        "{text}"
    );
    assert!(
        schema.key("billing.amount").is_none(),
        "nothing of it was added"
    );
    // Adding the same declaration again is no clash.
    schema.add(&chatbot::NAMESPACE).unwrap();
    assert_eq!(
        Schema::contract().metrics().count(),
        schema.metrics().count()
    );
}
