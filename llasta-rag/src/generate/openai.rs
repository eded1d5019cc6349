//! The wire format of OpenAI's chat completions, as far as the services use it.
//!
//! Reading is lenient, because servers differ: unknown fields are passed over and whatever a server
//! may leave out has a default. Source: the OpenAI API reference, "Chat", and vLLM's additions
//! (`reasoning_content`, since renamed to `reasoning`).

use serde::{Deserialize, Deserializer, Serialize};

use crate::json::objects;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The same under OpenAI's newer name.
    Developer,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said. A list of text parts is read as their concatenation, and null as nothing.
    #[serde(default, deserialize_with = "text_or_parts")]
    pub content: String,
}

impl ChatMessage {
    /// A message.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
        }
    }
}

/// The body of `POST /v1/chat/completions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The model asked for.
    #[serde(default)]
    pub model: String,
    /// The conversation so far.
    #[serde(deserialize_with = "objects")]
    pub messages: Vec<ChatMessage>,
    /// Whether the answer comes as server-sent events.
    #[serde(default)]
    pub stream: bool,
    /// What a streamed answer contains beside the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// How freely tokens are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The most tokens to generate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// What a streamed answer contains beside the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Whether a last chunk without choices brings the usage.
    #[serde(default)]
    pub include_usage: bool,
}

/// The answer, in one piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    /// The server's name for this answer.
    #[serde(default)]
    pub id: String,
    /// Always `chat.completion`.
    #[serde(default)]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: u64,
    /// The model that answered.
    #[serde(default)]
    pub model: String,
    /// The answers; one unless more were asked for.
    pub choices: Vec<Choice>,
    /// How many tokens it took; some servers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its number.
    #[serde(default)]
    pub index: u32,
    /// What the model says.
    pub message: ReplyMessage,
    /// Why it ended: `stop`, `length`, …
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// What the model says, in one piece.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyMessage {
    /// The model.
    #[serde(default = "assistant")]
    pub role: Role,
    /// The answer; null where there is only thinking.
    #[serde(default)]
    pub content: Option<String>,
    /// The thinking, where the server sets it apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same under its newer name. Some servers send both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
}

impl ReplyMessage {
    /// The thinking under whichever name it came.
    pub fn thinking(&self) -> Option<&str> {
        self.reasoning_content
            .as_deref()
            .or(self.reasoning.as_deref())
    }
}

/// One event of a streamed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// The server's name for this answer, the same in all its chunks.
    #[serde(default)]
    pub id: String,
    /// Always `chat.completion.chunk`.
    #[serde(default)]
    pub object: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: u64,
    /// The model that answers.
    #[serde(default)]
    pub model: String,
    /// What is new; empty in the chunk that brings the usage.
    #[serde(default)]
    pub choices: Vec<ChunkChoice>,
    /// How many tokens it took, in the last chunk where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What is new of one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// The answer's number.
    #[serde(default)]
    pub index: u32,
    /// The new text.
    #[serde(default)]
    pub delta: Delta,
    /// Why the answer ended, in its last chunk.
    #[serde(default)]
    pub finish_reason: Option<String>,
}

/// New text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The model, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// More of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// More of the thinking, where the server sets it apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same under its newer name. Some servers send both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
}

impl Delta {
    /// The thinking under whichever name it came.
    pub fn thinking(&self) -> Option<&str> {
        self.reasoning_content
            .as_deref()
            .or(self.reasoning.as_deref())
    }
}

/// How many tokens a request took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the conversation.
    pub prompt_tokens: u32,
    /// Tokens of the answer.
    #[serde(default)]
    pub completion_tokens: u32,
    /// Their sum.
    #[serde(default)]
    pub total_tokens: u32,
}

fn assistant() -> Role {
    Role::Assistant
}

/// The body of an answer whose status is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiErrorBody {
    /// What is wrong. Some servers say it in one text, without an object around it.
    #[serde(deserialize_with = "object_or_text")]
    pub error: ApiError,
}

/// What is wrong with a request, or with the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// For people.
    #[serde(default)]
    pub message: String,
    /// For programs, such as `invalid_request_error`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

fn object_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiError, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected an object or a text")]
    enum Said {
        Object(ApiError),
        Text(String),
    }
    Ok(match Said::deserialize(deserializer)? {
        Said::Object(error) => error,
        Said::Text(message) => ApiError {
            message,
            kind: None,
        },
    })
}

fn text_or_parts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of text parts")]
    enum Content {
        Text(String),
        Parts(Vec<Part>),
    }
    #[derive(Deserialize)]
    struct Part {
        #[serde(default)]
        text: String,
    }
    Ok(match Option::<Content>::deserialize(deserializer)? {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn a_request_says_only_what_was_set() {
        let request = ChatRequest {
            model: "m".to_owned(),
            messages: vec![ChatMessage::new(Role::User, "Hi")],
            stream: true,
            stream_options: Some(StreamOptions {
                include_usage: true,
            }),
            temperature: None,
            max_tokens: Some(5),
        };
        let json = json!({
            "model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true,
            "stream_options": {"include_usage": true}, "max_tokens": 5
        });
        assert_eq!(to_value(&request).unwrap(), json);
        assert_eq!(from_value::<ChatRequest>(json).unwrap(), request);
    }

    #[test]
    fn content_may_be_text_parts_or_null() {
        let content = |content| {
            from_value::<ChatMessage>(json!({"role": "user", "content": content}))
                .unwrap()
                .content
        };
        assert_eq!(content(json!("a")), "a");
        assert_eq!(
            content(json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])),
            "ab"
        );
        assert_eq!(content(json!(null)), "");
        assert!(from_value::<ChatMessage>(json!({"role": "user", "content": 1})).is_err());
        assert!(from_value::<ChatMessage>(json!({"role": "king", "content": ""})).is_err());
    }

    #[test]
    fn the_usage_chunk_has_no_choices() {
        let chunk: ChatChunk = from_value(json!({
            "id": "x", "choices": [],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "other": null}
        }))
        .unwrap();
        assert!(chunk.choices.is_empty());
        assert_eq!(chunk.usage.map(|usage| usage.total_tokens), Some(5));
    }

    #[test]
    fn thinking_is_found_under_either_name_and_under_both() {
        for delta in [
            json!({"reasoning": "t"}),
            json!({"reasoning_content": "t"}),
            json!({"reasoning": "t", "reasoning_content": "t", "content": null}),
        ] {
            assert_eq!(from_value::<Delta>(delta).unwrap().thinking(), Some("t"));
        }
    }

    #[test]
    fn an_error_is_an_object_or_a_text() {
        for error in [json!({"message": "no", "code": 400}), json!("no")] {
            let body: ApiErrorBody = from_value(json!({ "error": error })).unwrap();
            assert_eq!(body.error.message, "no");
        }
        assert!(from_value::<ApiErrorBody>(json!({"choices": []})).is_err());
        assert!(from_value::<ApiErrorBody>(json!({"error": null})).is_err());
    }

    #[test]
    fn an_answer_without_usage_and_with_unknown_fields_is_read() {
        let completion: ChatCompletion = from_value(json!({
            "choices": [{"message": {"role": "assistant", "content": null, "tool_calls": []},
                         "finish_reason": "stop", "logprobs": null}],
            "system_fingerprint": "f"
        }))
        .unwrap();
        assert_eq!(completion.usage, None);
        assert_eq!(completion.choices[0].message.content, None);
        assert_eq!(completion.choices[0].finish_reason.as_deref(), Some("stop"));
    }
}
