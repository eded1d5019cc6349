//! How much the LLM can read and write at once, and how much a text takes of it.
//!
//! The LLM is asked beside the requests and not in them: what is asked here has no part in anybody's
//! trace.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::ChatbotConfig;

/// The server may be replaced by one with another window.
const ASK_AGAIN: Duration = Duration::from_secs(300);
/// A server that did not say it may be starting.
const ASK_AGAIN_AFTER_NOTHING: Duration = Duration::from_secs(15);
/// How long the first requests wait for what the server says.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
/// How long counting may take, before it is estimated.
const COUNTING: Duration = Duration::from_secs(2);
/// Texts that the server counts at the same time.
const AT_ONCE: usize = 8;

/// What is known of the LLM's window.
#[derive(Debug)]
pub(super) struct Window {
    configured: Option<usize>,
    server: Arc<Server>,
    known: Arc<watch::Sender<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    asking: bool,
    /// When the server was last asked, and what it said.
    asked: Option<(Instant, Option<usize>)>,
}

impl Known {
    fn is_due(&self) -> bool {
        let after = |said: Option<usize>| match said {
            Some(_) => ASK_AGAIN,
            None => ASK_AGAIN_AFTER_NOTHING,
        };
        !self.asking
            && self
                .asked
                .is_none_or(|(at, said)| at.elapsed() >= after(said))
    }
}

impl Window {
    /// Asks the server at once where there is a runtime to do so.
    pub(super) fn new(config: &ChatbotConfig, client: reqwest::Client) -> Self {
        let window = Self {
            configured: config.context_tokens,
            server: Arc::new(Server {
                client,
                models: config.llm_url("/v1/models"),
                tokenize: config.llm_url("/tokenize"),
                model: config.model.clone(),
                api_key: config.api_key.clone(),
                timeout: config.connect_timeout,
            }),
            known: Arc::default(),
        };
        if tokio::runtime::Handle::try_current().is_ok() {
            window.refresh();
        }
        window
    }

    /// Tokens that the model reads and writes in all, if anybody says so.
    pub(super) async fn tokens(&self) -> Option<usize> {
        if self.configured.is_some() {
            return self.configured;
        }
        self.refresh();
        let mut known = self.known.subscribe();
        let first = known.wait_for(|known| known.asked.is_some());
        let first = tokio::time::timeout(FIRST_ANSWER, first).await;
        let said = first.ok()?.ok()?.asked;
        said.and_then(|(_, tokens)| tokens)
    }

    /// Asks the server in the background when it is time to.
    fn refresh(&self) {
        let mut due = false;
        if self.configured.is_none() {
            self.known.send_if_modified(|known| {
                due = known.is_due();
                known.asking |= due;
                due
            });
        }
        if due {
            let (server, known) = (self.server.clone(), self.known.clone());
            tokio::spawn(async move {
                let said = server.window().await;
                known.send_modify(|known| {
                    // A server that is down is most likely to come back as it was.
                    let before = known.asked.and_then(|(_, tokens)| tokens);
                    known.asked = Some((Instant::now(), said.or(before)));
                    known.asking = false;
                });
            });
        }
    }

    /// How many tokens each of these texts has, by the server's own count. `None` where it does not
    /// count.
    pub(super) async fn count(&self, texts: &[&str]) -> Option<Vec<usize>> {
        let counts: Vec<_> = texts.iter().map(|text| self.server.count(text)).collect();
        let counts = stream::iter(counts).buffered(AT_ONCE).try_collect();
        tokio::time::timeout(COUNTING, counts).await.ok()?.ok()
    }
}

/// The LLM's server, asked without telemetry.
#[derive(Debug)]
struct Server {
    client: reqwest::Client,
    models: String,
    tokenize: String,
    model: String,
    api_key: Option<String>,
    timeout: Duration,
}

impl Server {
    async fn window(&self) -> Option<usize> {
        let mut request = self.client.get(&self.models).timeout(self.timeout);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key);
        }
        let answer = request
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        let models: Models = match async { answer?.json().await }.await {
            Ok(models) => models,
            Err(error) => {
                tracing::debug!(%error, "the LLM does not say how large its window is");
                return None;
            }
        };
        let tokens = models.window(&self.model);
        tracing::debug!(tokens, "the LLM's window");
        tokens
    }

    /// vLLM and llama.cpp both have this path. They read the text under different names and pass over
    /// each other's.
    async fn count(&self, text: &str) -> reqwest::Result<usize> {
        #[derive(Deserialize)]
        struct Tokenized {
            tokens: Vec<serde_json::Value>,
        }
        let body = json!({
            "model": self.model, "prompt": text, "content": text,
            "add_special_tokens": false, "add_special": false
        });
        let mut request = self.client.post(&self.tokenize).json(&body);
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key);
        }
        let answer = request.send().await?.error_for_status()?;
        let Tokenized { tokens } = answer.json().await?;
        Ok(tokens.len())
    }
}

/// What `GET /v1/models` answers.
#[derive(Debug, Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Debug, Deserialize)]
struct Model {
    #[serde(default)]
    id: String,
    /// vLLM.
    max_model_len: Option<usize>,
    /// llama.cpp.
    meta: Option<Meta>,
    /// Gateways in front of several models.
    context_length: Option<usize>,
    /// The same under another name.
    context_window: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    /// Of one slot.
    n_ctx: Option<usize>,
    /// What the model was trained with: the most that a slot can have.
    n_ctx_train: Option<usize>,
}

impl Models {
    /// The window of the model of this name, or of the only one.
    fn window(&self, name: &str) -> Option<usize> {
        let named = self.data.iter().find(|model| model.id == name);
        let model = match (named, &self.data[..]) {
            (Some(model), _) | (None, [model]) => model,
            _ => return None,
        };
        let meta = model.meta.as_ref();
        model
            .max_model_len
            .or(meta.and_then(|meta| meta.n_ctx))
            .or(model.context_length)
            .or(model.context_window)
            .or(meta.and_then(|meta| meta.n_ctx_train))
            .filter(|tokens| *tokens > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_found_under_each_server_s_name_for_it() {
        for (model, tokens) in [
            (json!({"id": "m", "max_model_len": 8192}), Some(8192)),
            (
                json!({"id": "m", "meta": {"n_ctx": 2048, "n_ctx_train": 32768}}),
                Some(2048),
            ),
            (
                json!({"id": "m", "meta": {"n_ctx_train": 32768}}),
                Some(32768),
            ),
            (
                json!({"id": "m", "meta": null, "context_length": 4096}),
                Some(4096),
            ),
            (json!({"id": "m", "context_window": 1000}), Some(1000)),
            (json!({"id": "m", "max_model_len": 0}), None),
            (json!({"id": "m", "object": "model"}), None),
        ] {
            let models: Models = serde_json::from_value(json!({ "data": [model] })).unwrap();
            assert_eq!(models.window("m"), tokens, "{models:?}");
            assert_eq!(models.window("alias"), tokens, "{models:?}");
        }
    }

    #[test]
    fn among_several_models_only_the_named_one_counts() {
        let models =
            json!({"data": [{"id": "a", "max_model_len": 1}, {"id": "b", "max_model_len": 2}]});
        let models: Models = serde_json::from_value(models).unwrap();
        assert_eq!(models.window("b"), Some(2));
        assert_eq!(models.window("c"), None);
    }
}
