use llasta_telemetry::schema::LabelSet;
use llasta_telemetry::schema::labels::{
    ChatEndpoint, ExportResult, IndexEndpoint, Outcome, TokenType,
};

#[derive(Debug, Clone, Copy, PartialEq, LabelSet)]
enum Answer {
    Yes,
    NotYet,
    #[label("n/a \"quoted\"")]
    NotApplicable,
    HTTPError,
    V2,
}

#[test]
fn values_are_the_variants_in_snake_case_or_as_they_are_labelled() {
    assert_eq!(
        Answer::VALUES,
        ["yes", "not_yet", "n/a \"quoted\"", "http_error", "v2"]
    );
}

#[test]
fn each_value_knows_its_place_and_its_text() {
    let all = [
        Answer::Yes,
        Answer::NotYet,
        Answer::NotApplicable,
        Answer::HTTPError,
        Answer::V2,
    ];
    for (index, value) in all.into_iter().enumerate() {
        assert_eq!(value.index(), index);
        assert_eq!(value.text(), Answer::VALUES[index]);
    }
}

#[test]
fn the_contracts_label_sets_read_like_the_contract() {
    assert_eq!(Outcome::VALUES, ["success", "error", "cancelled"]);
    assert_eq!(TokenType::VALUES, ["prompt", "completion"]);
    assert_eq!(ExportResult::VALUES, ["exported", "dropped", "failed"]);
    assert_eq!(
        ChatEndpoint::VALUES,
        ["/api/chat", "/health", "/", "unmatched"]
    );
    assert_eq!(
        IndexEndpoint::VALUES,
        [
            "search",
            "upsert",
            "delete",
            "items",
            "reset",
            "health",
            "unmatched"
        ]
    );
}
