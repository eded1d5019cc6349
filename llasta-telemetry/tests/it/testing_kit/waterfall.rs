use llasta_telemetry::Names;
use llasta_telemetry::testing::{AttributeValue, Breakdown, CapturedSpan, Waterfall};

use super::chat_trace::{chat_trace, find};

/// CONTRACT section 1, as it is printed.
const CONTRACT: &str = "\
POST /api/chat                      SERVER    chatbot-rag
├─ rag.retrieve_context             INTERNAL  chatbot-rag
│  └─ POST /search                  CLIENT    chatbot-rag
│     └─ POST /search               SERVER    faiss-wrap
│        └─ faiss.search            INTERNAL  faiss-wrap
│           ├─ faiss.embed_query    INTERNAL  faiss-wrap
│           └─ faiss.index_search   INTERNAL  faiss-wrap
├─ rag.build_context                INTERNAL  chatbot-rag
├─ vllm.generate                    INTERNAL  chatbot-rag
│  ├─ POST /v1/chat/completions     CLIENT    chatbot-rag
│  └─ vllm.response                 INTERNAL  chatbot-rag
└─ response.send_to_frontend        INTERNAL  chatbot-rag
";

fn squeezed(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(words).collect()
}

fn print(spans: &[CapturedSpan]) -> String {
    Waterfall::new(spans).without_times().to_string()
}

#[test]
fn a_chat_request_prints_like_the_contract() {
    let printed = print(&chat_trace(Names::Both));
    assert_eq!(squeezed(&printed), squeezed(CONTRACT));
    let columns: Vec<_> = printed
        .lines()
        .map(|line| {
            let service = line
                .find("chatbot-rag")
                .or(line.find("faiss-wrap"))
                .unwrap();
            line[..service].chars().count()
        })
        .collect();
    assert!(
        columns.windows(2).all(|pair| pair[0] == pair[1]),
        "columns are aligned: {printed}"
    );
}

#[test]
fn it_is_the_same_however_the_spans_arrive() {
    let spans = chat_trace(Names::Both);
    let mut reversed = spans.clone();
    reversed.reverse();
    assert_eq!(print(&spans), print(&reversed));
    assert_eq!(
        Waterfall::new(&spans).to_string(),
        Waterfall::new(&reversed).to_string()
    );
}

/// A span of one second beginning 2026, made from a real one.
fn span(id: u64, parent: Option<u64>, name: &str, start_us: u64, lasts_us: u64) -> CapturedSpan {
    let mut span = chat_trace(Names::Llasta).remove(0);
    span.span_id = format!("{id:016x}");
    span.parent_span_id = parent.map(|parent| format!("{parent:016x}"));
    span.name = name.to_owned();
    span.kind = "INTERNAL";
    span.service = "shop".to_owned();
    span.start_unix_nano = 1_767_225_600_000_000_000 + start_us * 1000;
    span.end_unix_nano = span.start_unix_nano + lasts_us * 1000;
    span
}

#[test]
fn durations_have_three_digits_and_shares_are_of_the_root() {
    let spans = [
        span(1, None, "root", 0, 1_234_500),
        span(2, Some(1), "a", 1, 45_670),
        span(3, Some(1), "b", 2, 5_432),
        span(4, Some(1), "c", 3, 42),
    ];
    assert_eq!(
        Waterfall::new(&spans).to_string(),
        "\
root  INTERNAL  shop   1234 ms  100.0 %
├─ a  INTERNAL  shop   45.7 ms    3.7 %
├─ b  INTERNAL  shop   5.43 ms    0.4 %
└─ c  INTERNAL  shop  0.042 ms    0.0 %
"
    );
}

#[test]
fn a_root_that_took_no_time_has_no_shares() {
    let printed = Waterfall::new(&[span(1, None, "root", 0, 0)]).to_string();
    assert_eq!(printed, "root  INTERNAL  shop  0.000 ms  –\n");
}

#[test]
fn children_stand_in_the_order_they_began() {
    let spans = [
        span(1, None, "root", 0, 10),
        span(2, Some(1), "third", 9, 1),
        span(3, Some(1), "first", 2, 7),
        span(4, Some(1), "second", 5, 1),
    ];
    let names: Vec<_> = print(&spans)
        .lines()
        .map(|line| {
            line.split_whitespace()
                .nth(usize::from(!line.starts_with("root")))
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(names, ["root", "first", "second", "third"]);
}

#[test]
fn orphans_come_at_the_end_with_what_stands_under_them() {
    let spans = [
        span(5, Some(0xff), "lost", 0, 4),
        span(6, Some(5), "below", 1, 1),
        span(1, None, "root", 2, 10),
        span(2, Some(1), "child", 3, 1),
    ];
    assert_eq!(
        print(&spans),
        "\
root        INTERNAL  shop
└─ child    INTERNAL  shop
? lost      INTERNAL  shop
  └─ below  INTERNAL  shop
"
    );
}

#[test]
fn under_a_caller_that_was_not_captured_the_first_span_is_the_root() {
    let spans = [
        span(1, Some(0xff), "root", 0, 10),
        span(2, Some(1), "child", 3, 5),
    ];
    let printed = Waterfall::new(&spans).to_string();
    assert!(printed.starts_with("root"), "{printed}");
    assert!(printed.contains("50.0 %"), "{printed}");
}

#[test]
fn spans_that_stand_under_each_other_are_still_shown_once() {
    let spans = [
        span(1, None, "root", 0, 10),
        span(2, Some(3), "hen", 1, 1),
        span(3, Some(2), "egg", 2, 1),
    ];
    let printed = print(&spans);
    assert_eq!(printed.lines().count(), 3, "{printed}");
    assert!(printed.contains("? hen"), "{printed}");
}

#[test]
fn each_trace_is_a_tree_of_its_own_the_earlier_first() {
    let mut later = span(1, None, "later", 100, 10);
    later.trace_id = "00000000000000000000000000000001".to_owned();
    let mut earlier = span(1, None, "earlier", 0, 10);
    earlier.trace_id = "00000000000000000000000000000002".to_owned();
    assert_eq!(
        print(&[later, earlier]),
        "earlier  INTERNAL  shop\n\nlater  INTERNAL  shop\n"
    );
}

#[test]
fn a_failed_span_says_why() {
    let mut failed = span(1, None, "root", 0, 1);
    failed.status = "error";
    assert!(print(std::slice::from_ref(&failed)).ends_with("shop  ✗ error\n"));
    let why = AttributeValue::String("timeout".to_owned());
    failed.attributes.insert("error.type".to_owned(), why);
    assert!(print(&[failed]).ends_with("shop  ✗ timeout\n"));
}

#[test]
fn nothing_prints_as_nothing() {
    assert_eq!(print(&[]), "");
}

#[test]
fn the_breakdown_is_the_documents_list() {
    let mut spans = chat_trace(Names::Both);
    for (name, kind, ms) in [
        ("POST /api/chat", "SERVER", 200),
        ("rag.retrieve_context", "INTERNAL", 50),
        ("faiss.search", "INTERNAL", 30),
        ("rag.build_context", "INTERNAL", 5),
        ("vllm.generate", "INTERNAL", 145),
        ("response.send_to_frontend", "INTERNAL", 1),
    ] {
        let span = find(&mut spans, name, kind);
        span.end_unix_nano = span.start_unix_nano + ms * 1_000_000;
    }
    let breakdown = Breakdown::of(&spans).expect("it is a chat request");
    assert_eq!(
        breakdown.to_string(),
        "\
- Total: 200 ms
  - RAG retrieval: 50.0 ms (25.0 %)
    - FAISS search: 30.0 ms (15.0 %)
  - Context building: 5.00 ms (2.5 %)
  - vLLM generation: 145 ms (72.5 %)
  - Response: 1.00 ms (0.5 %)
"
    );
    let json = serde_json::to_value(&breakdown).unwrap();
    assert_eq!(json[2]["label"], "FAISS search");
    assert_eq!(json[2]["percent"], 15.0);
}

#[test]
fn a_trace_that_is_no_chat_request_has_no_breakdown() {
    assert_eq!(Breakdown::of(&[span(1, None, "root", 0, 10)]), None);
    let mut spans = chat_trace(Names::Both);
    spans.retain(|span| span.name != "faiss.search");
    let breakdown = Breakdown::of(&spans).unwrap().to_string();
    assert!(
        !breakdown.contains("FAISS"),
        "what is not there is left out: {breakdown}"
    );
}
