use llasta_telemetry::schema::{Schema, chatbot, faiss, rag};

mod retrieval;
mod shop;
mod till;

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
    let clash = schema.add(&retrieval::NAMESPACE).unwrap_err();
    assert_eq!((clash.what, clash.name), ("key", "rag.top_k"));
    let text = clash.to_string();
    assert!(
        text.contains("schema/rag.rs:") && text.contains("registry/retrieval.rs:"),
        "{text}"
    );
    assert!(schema.key("rag.pages").is_none(), "nothing of it was added");
    // Adding the same declaration again is no clash.
    schema.add(&chatbot::NAMESPACE).unwrap();
    assert_eq!(
        Schema::contract().metrics().count(),
        schema.metrics().count()
    );
}

#[test]
fn schemas_are_merged_and_what_both_have_is_no_clash() {
    let mut own = Schema::new();
    own.add(&shop::NAMESPACE).unwrap();
    own.add(&rag::NAMESPACE).unwrap();
    let mut all = Schema::contract();
    all.merge(&own).unwrap();
    assert!(all.key("shop.items").is_some() && all.key("faiss.top_k").is_some());
    assert_eq!(
        all.namespaces().len(),
        Schema::contract().namespaces().len() + 1
    );

    let mut clashing = Schema::new();
    clashing.add(&retrieval::NAMESPACE).unwrap();
    let clash = all.merge(&clashing).unwrap_err();
    assert_eq!((clash.what, clash.name), ("key", "rag.top_k"));
}

#[test]
fn of_two_teams_that_take_one_name_both_are_told() {
    let schema = |namespace| {
        let mut schema = Schema::contract();
        schema.add(namespace).unwrap();
        schema
    };
    let (shop, till) = (schema(&shop::NAMESPACE), schema(&till::NAMESPACE));
    for (mut first, second) in [(shop.clone(), &till), (till.clone(), &shop)] {
        let before = first.metrics().count();
        let clash = first.merge(second).unwrap_err();
        assert_eq!((clash.what, clash.name), ("metric", "shop_orders_total"));
        let text = clash.to_string();
        assert!(
            text.contains("registry/shop.rs:") && text.contains("registry/till.rs:"),
            "{text}"
        );
        assert_eq!(first.metrics().count(), before, "nothing of it was added");
    }
}

#[test]
fn a_span_lists_keys_of_another_team_s_module() {
    let listed = till::Count::DEF.attributes.iter().map(|(key, _)| key.name);
    assert_eq!(listed.collect::<Vec<_>>(), ["till.number", "shop.items"]);
}

#[test]
fn a_service_s_page_has_its_own_metrics_and_those_of_every_service() {
    let mut schema = Schema::contract();
    schema.add(&shop::NAMESPACE).unwrap();
    assert_eq!(
        schema.services(),
        ["chatbot-rag", "faiss-wrap", "shop-api", "vllm"]
    );
    let names = |service| -> Vec<_> { schema.metrics_of(service).map(|def| def.name).collect() };
    let shop = names("shop-api");
    assert!(shop.contains(&"shop_orders_total") && shop.contains(&"llasta_build_info"));
    assert!(!shop.contains(&"chatbot_requests_total"));
    assert!(names("faiss-wrap").contains(&"process_threads"));
    assert_eq!(
        schema
            .namespace_of_metric("shop_guests")
            .map(|of| (of.name, of.version)),
        Some(("shop", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn a_declaration_says_what_something_was_called_and_what_is_no_longer_used() {
    let was = |was: Option<llasta_telemetry::schema::Was>| was.map(|was| (was.name, was.since));
    assert_eq!(was(shop::ITEMS.def().was), Some(("shop.basket", "0.2.0")));
    assert_eq!(was(shop::Checkout::DEF.was), Some(("shop.pay", "0.1.5")));
    let [orders, guests] = shop::ShopMetrics::DEFS else {
        panic!("two metrics");
    };
    assert_eq!(was(orders.was), Some(("shop_sales_total", "0.2.0")));
    assert_eq!(was(orders.labels[0].was), Some(("status", "0.2.0")));
    assert_eq!(guests.deprecated, Some("count orders"));
    assert_eq!(shop::MOOD.def().deprecated, Some("leave it out"));
}
