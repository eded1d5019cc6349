//! `llasta serve chatbot-rag`

use std::time::Duration;

use llasta_rag::service::chatbot_rag::{self, ChatbotConfig, Grafana};

use super::super::args::ChatbotArgs;
use super::super::failure::Failure;
use super::{bind, end, serve, telemetry};

pub(super) async fn run(arguments: ChatbotArgs) -> Result<(), Failure> {
    let telemetry = telemetry("chatbot-rag", &arguments.service)?;
    let listener = bind(&arguments.service, arguments.port).await?;
    let defaults = ChatbotConfig::new(
        &arguments.faiss_wrap_url,
        &arguments.vllm_base_url,
        &arguments.vllm_model_name,
    );
    let grafana = arguments.grafana_url.filter(|url| !url.is_empty());
    let config = ChatbotConfig {
        // Deployments set a variable to nothing where there is nothing to set.
        api_key: arguments.vllm_api_key.filter(|key| !key.is_empty()),
        top_k: arguments.rag_top_k.into(),
        min_score: arguments.rag_min_score,
        max_context_chars: arguments.rag_max_context_chars,
        max_body_bytes: arguments.service.max_body_bytes,
        connect_timeout: Duration::from_secs(arguments.connect_timeout_secs),
        connect_retries: arguments.connect_retries,
        search_timeout: Duration::from_secs(arguments.search_timeout_secs),
        llm_timeout: Duration::from_secs(arguments.llm_timeout_secs),
        context_tokens: Some(arguments.llm_context_tokens).filter(|tokens| *tokens > 0),
        grafana: grafana.map(|url| Grafana {
            url,
            tempo_uid: arguments.grafana_tempo_uid,
        }),
        ..defaults
    };
    let app = chatbot_rag::router(config, &telemetry)
        .map_err(|error| Failure::of("the HTTP client could not be built", &error))?;
    serve(app, listener, &arguments.service, std::future::pending()).await?;
    end(telemetry).await;
    Ok(())
}
