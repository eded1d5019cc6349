//! `llasta serve llm`

use std::time::Duration;

use llasta_rag::service::llm::{self, LlmConfig};

use super::super::args::LlmArgs;
use super::super::failure::Failure;
use super::{bind, end, serve, telemetry};

pub(super) async fn run(arguments: LlmArgs) -> Result<(), Failure> {
    let telemetry = telemetry("vllm", &arguments.service)?;
    let listener = bind(&arguments.service, arguments.port).await?;
    let config = LlmConfig {
        model: arguments.vllm_model_name,
        token_delay: Duration::from_millis(arguments.token_delay_ms),
        concurrency: arguments.concurrency.into(),
        max_body_bytes: arguments.service.max_body_bytes,
    };
    serve(
        llm::router(config, &telemetry),
        listener,
        &arguments.service,
        std::future::pending(),
    )
    .await?;
    end(telemetry).await;
    Ok(())
}
