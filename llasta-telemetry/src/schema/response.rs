//! `response.*`: the answer on its way to whoever asked.

crate::schema! {
    /// Answers to the frontend.
    namespace response;

    keys {
        /// Bytes sent.
        SIZE: "response.size" => i64 { unit: "By", example: "1432" },
        /// Unicode scalar values of the answer.
        FINAL_CHARS: "response.final_chars" => i64 { unit: "{character}", example: "405" },
        /// Whether the answer came with thinking.
        HAS_THINKING: "response.has_thinking" => bool { example: "true" },
    }

    spans {
        /// The answer being handed over, until its last byte or until the client went away.
        SendToFrontend: "response.send_to_frontend" internal under server {
            end: SIZE, FINAL_CHARS, HAS_THINKING;
        }
    }
}
