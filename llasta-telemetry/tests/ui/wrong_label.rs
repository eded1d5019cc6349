//! A value of another label set, and a text where the set is closed.

use llasta_telemetry::metrics::Registry;
use llasta_telemetry::schema::chatbot::ChatbotMetrics;
use llasta_telemetry::schema::labels::{ChatEndpoint, Outcome, TokenType};

fn main() {
    let metrics = ChatbotMetrics::register(&Registry::new());
    metrics.requests(ChatEndpoint::Chat, TokenType::Prompt).inc();
    metrics.requests(Outcome::Success, ChatEndpoint::Chat).inc();
    metrics.vllm_requests("success").inc();
}
