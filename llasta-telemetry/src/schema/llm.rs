//! `llm.*`: what was asked of the model, and what it answered.

use super::{otel, twins};

crate::schema! {
    /// Requests to a large language model.
    namespace llm;

    keys {
        /// Model name asked for.
        MODEL: "llm.model" => str { twin: twins::REQUEST_MODEL, example: "Qwen/Qwen3-8B" },
        /// Messages in the request.
        MESSAGES_COUNT: "llm.messages_count" => i64 { unit: "{message}", example: "3" },
        /// Bytes of the JSON request.
        REQUEST_SIZE: "llm.request_size" => i64 { unit: "By", example: "2048" },
        /// Sampling temperature, when set.
        TEMPERATURE: "llm.temperature" => f64 { unit: "1", twin: twins::TEMPERATURE, example: "0.7" },
        /// Cap on the completion's tokens, when set.
        MAX_TOKENS: "llm.max_tokens" => i64 { unit: "{token}", twin: twins::MAX_TOKENS, example: "512" },
        /// Whether the answer is streamed.
        STREAM: "llm.stream" => bool { twin: twins::STREAM, example: "true" },
        /// Tokens the model read, as the server's usage block says.
        TOKENS_PROMPT: "llm.tokens_prompt" => i64 { unit: "{token}", twin: twins::INPUT_TOKENS, example: "250" },
        /// Tokens the model wrote, as the server's usage block says.
        TOKENS_COMPLETION: "llm.tokens_completion" => i64 { unit: "{token}", twin: twins::OUTPUT_TOKENS, example: "100" },
        /// Both together, as the server's usage block says.
        TOKENS_TOTAL: "llm.tokens_total" => i64 { unit: "{token}", example: "350" },
        /// Time to the first token of a streamed answer.
        TIME_TO_FIRST_TOKEN: "llm.time_to_first_token" => f64 { unit: "s", twin: twins::TIME_TO_FIRST_CHUNK, example: "0.21" },
        /// (last token − first token) / (completion tokens − 1) of a streamed answer.
        TIME_PER_OUTPUT_TOKEN: "llm.time_per_output_token" => f64 { unit: "s", example: "0.018" },
        /// Why the model stopped.
        FINISH_REASON: "llm.finish_reason" => str { twin: twins::FINISH_REASONS, example: "stop" },
        /// Unicode scalar values of the raw answer.
        RESPONSE_CHARS: "llm.response_chars" => i64 { unit: "{character}", example: "640" },
        /// Unicode scalar values inside `<think>`.
        THINKING_CHARS: "llm.thinking_chars" => i64 { unit: "{character}", example: "220" },
        /// Unicode scalar values after the thinking.
        FINAL_CHARS: "llm.final_chars" => i64 { unit: "{character}", example: "405" },
        /// Whether the answer holds thinking.
        HAS_THINKING: "llm.has_thinking" => bool { example: "true" },
        /// The messages sent, when the capture policy lets them out.
        INPUT_MESSAGES: "llm.input_messages" => str { content, twin: twins::INPUT_MESSAGES, example: "[{\"role\":\"user\",\"content\":\"Hello\"}]" },
        /// The answer, when the capture policy lets it out.
        OUTPUT_MESSAGES: "llm.output_messages" => str { content, twin: twins::OUTPUT_MESSAGES, example: "[{\"role\":\"assistant\",\"content\":\"Hello!\"}]" },
    }

    spans {
        /// Generation of the answer, until its last token.
        Generate: "vllm.generate" internal under server {
            start: MODEL, MESSAGES_COUNT, REQUEST_SIZE, STREAM;
            optional: TEMPERATURE, MAX_TOKENS, TOKENS_PROMPT, TOKENS_COMPLETION, TOKENS_TOTAL,
                TIME_TO_FIRST_TOKEN, TIME_PER_OUTPUT_TOKEN, FINISH_REASON, INPUT_MESSAGES, OUTPUT_MESSAGES;
            twin: otel::OPERATION_NAME = "chat";
            twin: otel::PROVIDER_NAME = "vllm";
        }
        /// The answer being read: from the first to the last chunk of a stream.
        Response: "vllm.response" internal under "vllm.generate" {
            end: RESPONSE_CHARS, THINKING_CHARS, FINAL_CHARS, HAS_THINKING;
            optional: TOKENS_PROMPT, TOKENS_COMPLETION, TOKENS_TOTAL;
        }
    }
}
