//! vLLM's own span, which joins the contract's tree under the request to it.
//!
//! Names, types and kind are those of vLLM 0.32 started with `--otlp-traces-endpoint`. vLLM defines
//! them; the stand-in says the same.

use llasta_telemetry::schema::otel;

llasta_telemetry::schema! {
    /// What vLLM says of a request.
    foreign namespace vllm_request;

    keys {
        /// vLLM's name for the request.
        REQUEST_ID: "gen_ai.request.id" => str { development, example: "chatcmpl-18a7e2b1" },
        /// Tokens the model reads.
        PROMPT_TOKENS: "gen_ai.usage.prompt_tokens" => i64 { development, unit: "{token}", example: "250" },
        /// Tokens the model wrote.
        COMPLETION_TOKENS: "gen_ai.usage.completion_tokens" => i64 { development, unit: "{token}", example: "100" },
        /// From the request's arrival to its last token.
        LATENCY_E2E: "gen_ai.latency.e2e" => f64 { development, unit: "s", example: "2.4" },
        /// From the request's arrival to its first token.
        LATENCY_TIME_TO_FIRST_TOKEN: "gen_ai.latency.time_to_first_token" => f64 { development, unit: "s", example: "0.21" },
        /// Waiting for its turn.
        LATENCY_TIME_IN_QUEUE: "gen_ai.latency.time_in_queue" => f64 { development, unit: "s", example: "0.02" },
        /// From its turn to its first token.
        LATENCY_TIME_IN_MODEL_PREFILL: "gen_ai.latency.time_in_model_prefill" => f64 { development, unit: "s", example: "0.19" },
        /// From its first token to its last.
        LATENCY_TIME_IN_MODEL_DECODE: "gen_ai.latency.time_in_model_decode" => f64 { development, unit: "s", example: "2.19" },
        /// From its turn to its last token.
        LATENCY_TIME_IN_MODEL_INFERENCE: "gen_ai.latency.time_in_model_inference" => f64 { development, unit: "s", example: "2.38" },
        /// Share of the probability that tokens are drawn from, when set.
        REQUEST_TOP_P: "gen_ai.request.top_p" => f64 { development, unit: "1", example: "0.9" },
        /// Answers asked for, when set.
        REQUEST_N: "gen_ai.request.n" => i64 { development, example: "1" },
    }

    spans {
        /// A request as vLLM sees it: in the queue, reading the prompt, writing the answer.
        LlmRequest: "llm_request" server under root, client {
            start: REQUEST_ID, PROMPT_TOKENS;
            end: LATENCY_E2E, COMPLETION_TOKENS;
            optional: LATENCY_TIME_TO_FIRST_TOKEN, LATENCY_TIME_IN_QUEUE, LATENCY_TIME_IN_MODEL_PREFILL,
                LATENCY_TIME_IN_MODEL_DECODE, LATENCY_TIME_IN_MODEL_INFERENCE, REQUEST_TOP_P, REQUEST_N,
                otel::REQUEST_TEMPERATURE, otel::REQUEST_MAX_TOKENS;
        }
    }
}
