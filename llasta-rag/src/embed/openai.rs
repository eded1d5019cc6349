//! A model behind a server with `OpenAI`'s embeddings API: vLLM, llama.cpp, Ollama, TEI and others.

use std::time::Duration;

use llasta_telemetry::client::{PeerService, TelemetryMiddleware, UrlTemplate};
use reqwest::header::CONTENT_TYPE;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::{EmbedError, Embedder, normalise};
use crate::api::chain;
use crate::generate::ApiErrorBody;

/// Where the server is, and what is asked of it.
#[derive(Clone)]
pub struct OpenAiOptions {
    /// Address without `/v1`, such as `http://vllm:8000`.
    pub base_url: String,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// The model's name there.
    pub model: String,
    /// Most texts of a request.
    pub batch: usize,
    /// How long a request may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for OpenAiOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiOptions")
            .field("base_url", &self.base_url)
            .field("api_key", &self.api_key.as_ref().map(|_| "..."))
            .field("model", &self.model)
            .field("batch", &self.batch)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl OpenAiOptions {
    /// A server without a key, asked for 32 texts at a time, which may take a minute.
    pub fn new(base_url: &str, model: &str) -> Self {
        let base_url = base_url.trim_end_matches('/');
        Self {
            base_url: base_url.trim_end_matches("/v1").to_owned(),
            api_key: None,
            model: model.to_owned(),
            batch: 32,
            timeout: Duration::from_secs(60),
        }
    }
}

/// Asks a server for vectors. The request is a child of whatever span is current.
#[derive(Debug)]
pub struct OpenAiEmbedder {
    options: OpenAiOptions,
    client: ClientWithMiddleware,
    runtime: Handle,
    dimension: usize,
}

/// Tries of a request that finds nobody, and the pause after the first, which grows.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

const PATH: &str = "/v1/embeddings";

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: &'a [&'a str],
    encoding_format: &'static str,
}

#[derive(Deserialize)]
struct Response {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    /// Some servers leave it out; then the order counts.
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl OpenAiEmbedder {
    /// Asks the server for one vector, to learn how many components the model has. Blocks; requests
    /// run on `runtime`, which must not be the one whose thread calls.
    ///
    /// # Errors
    ///
    /// A server that cannot be reached, refuses, or answers something else.
    pub fn connect(options: OpenAiOptions, runtime: Handle) -> Result<Self, EmbedError> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| refuse(&options, chain(&error)))?;
        let mut made = Self {
            client: ClientBuilder::new(client)
                // The server may be another company's.
                .with(TelemetryMiddleware::new().without_baggage())
                .build(),
            options,
            runtime,
            dimension: 0,
        };
        let vectors = made.runtime.block_on(made.ask(&["dimension"]))?;
        made.dimension = vectors.first().map_or(0, Vec::len);
        if made.dimension == 0 {
            return Err(refuse(&made.options, "its vectors have no components"));
        }
        Ok(made)
    }

    /// One request.
    async fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let fail = |message: String| refuse(&self.options, message);
        let request = Request {
            model: &self.options.model,
            input: texts,
            encoding_format: "float",
        };
        let body = serde_json::to_vec(&request).map_err(|error| fail(error.to_string()))?;
        let response = self.send(body).await?;
        let status = response.status();
        let bytes = response
            .bytes()
            .await
            .map_err(|error| fail(format!("its answer broke off: {}", chain(&error))))?;
        if !status.is_success() {
            let message = match serde_json::from_slice::<ApiErrorBody>(&bytes) {
                Ok(body) => body.error.message,
                Err(_) => String::from_utf8_lossy(&bytes).chars().take(200).collect(),
            };
            return Err(fail(format!("it answered {status}: {message}")));
        }
        let answer: Response = serde_json::from_slice(&bytes)
            .map_err(|error| fail(format!("its answer cannot be read: {error}")))?;
        self.in_order(answer.data, texts.len()).map_err(fail)
    }

    async fn send(&self, body: Vec<u8>) -> Result<reqwest::Response, EmbedError> {
        let mut tried = 1;
        loop {
            let mut request = self
                .client
                .post(format!("{}{PATH}", self.options.base_url))
                .with_extension(UrlTemplate(PATH))
                .with_extension(PeerService("embeddings"))
                .header(CONTENT_TYPE, "application/json")
                .timeout(self.options.timeout)
                .body(body.clone());
            if let Some(key) = &self.options.api_key {
                request = request.bearer_auth(key);
            }
            match request.send().await {
                Ok(response) => return Ok(response),
                // Nothing was received that would be done twice.
                Err(error) if error.is_connect() && tried < TRIES => {
                    tokio::time::sleep(pause(tried)).await;
                    tried += 1;
                }
                Err(error) => {
                    return Err(refuse(
                        &self.options,
                        format!(
                            "{}; check --embed-base-url (EMBED_BASE_URL) and the server",
                            chain(&error)
                        ),
                    ));
                }
            }
        }
    }

    /// The vectors in the order of the texts, each of length 1.
    fn in_order(&self, items: Vec<Item>, expected: usize) -> Result<Vec<Vec<f32>>, String> {
        let given = items.len();
        let mut vectors = vec![Vec::new(); expected];
        for (position, item) in items.into_iter().enumerate() {
            let place = vectors
                .get_mut(item.index.unwrap_or(position))
                .filter(|place| place.is_empty())
                .ok_or_else(|| format!("it gave {given} vectors for {expected} texts"))?;
            let mut vector = item.embedding;
            if self.dimension > 0 && vector.len() != self.dimension {
                return Err(format!(
                    "a vector has {} components and the first one had {}",
                    vector.len(),
                    self.dimension
                ));
            }
            if !vector.iter().all(|value| value.is_finite()) {
                return Err("a vector has components that are not finite".to_owned());
            }
            normalise(&mut vector);
            *place = vector;
        }
        if vectors.iter().any(Vec::is_empty) {
            return Err(format!("it gave {given} vectors for {expected} texts"));
        }
        Ok(vectors)
    }
}

fn refuse(options: &OpenAiOptions, message: impl Into<String>) -> EmbedError {
    EmbedError::Server {
        model: options.model.clone(),
        url: format!("{}{PATH}", options.base_url),
        message: message.into(),
    }
}

/// Twice as long after each try, and of that a part that differs between callers.
fn pause(tried: u32) -> Duration {
    use std::hash::BuildHasher;
    let full = PAUSE * 2_u32.pow(tried - 1);
    // A hasher's keys are random.
    let random = std::hash::RandomState::new().hash_one(tried) % 1000;
    full.mul_f64(0.5 + random as f64 / 2000.0)
}

impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.options.model
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let says = |text: &str| text.contains(char::is_alphanumeric);
        let said: Vec<_> = texts.iter().copied().filter(|text| says(text)).collect();
        let mut made = Vec::with_capacity(said.len());
        for batch in said.chunks(self.options.batch.max(1)) {
            made.extend(self.runtime.block_on(self.ask(batch))?);
        }
        let mut made = made.into_iter();
        let vectors = texts.iter().map(|text| {
            let vector = if says(text) { made.next() } else { None };
            vector.unwrap_or_else(|| vec![0.0; self.dimension])
        });
        Ok(vectors.collect())
    }
}
