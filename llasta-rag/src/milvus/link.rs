//! A call to Milvus, with its span, its time-out and its tries.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::time::{Duration, Instant};

use llasta_telemetry::span::Span;
use milvus::v2::error::{Error as SdkError, Result as SdkResult};
use milvus::v2::prelude::ClientV2;
use milvus::v2::request::collection::LoadCollectionRequest;
use milvus::v2::{ConnectConfig, RetryConfig, TelemetryConfig, with_client_request_id};
use tokio::runtime::Handle;

use super::{MilvusConfig, MilvusError};
use crate::schema::milvus::{Delete, Manage, Query, SYSTEM, Search, Upsert};

/// The pause before the second try; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Milvus's code for a collection that is not in memory.
const NOT_LOADED: i32 = 101;

/// What is asked of Milvus. Each of them may be tried twice: nothing is then done twice.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Search,
    Query,
    Upsert,
    Delete,
    /// What is done with the collection itself, by OpenTelemetry's name for it.
    Manage(&'static str),
}

impl Operation {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Query => "query",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Manage(name) => name,
        }
    }
}

/// The span of a call, whichever it is.
enum Calling {
    Search(Search),
    Query(Query),
    Upsert(Upsert),
    Delete(Delete),
    Manage(Manage),
}

impl Deref for Calling {
    type Target = Span;

    fn deref(&self) -> &Span {
        match self {
            Self::Search(span) => span,
            Self::Query(span) => span,
            Self::Upsert(span) => span,
            Self::Delete(span) => span,
            Self::Manage(span) => span,
        }
    }
}

/// A connection. It comes back by itself when Milvus was away.
pub(super) struct Link {
    client: ClientV2,
    config: MilvusConfig,
    runtime: Handle,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Connects. Blocks; calls run on the runtime of this thread, which must not be one that serves it.
    pub(super) fn connect(config: MilvusConfig) -> Result<Self, MilvusError> {
        let runtime = Handle::try_current().map_err(|_| MilvusError::NoRuntime)?;
        let mut settings = ConnectConfig::new()
            .uri(config.url.to_string())
            .secure(config.url.tls)
            .connect_timeout(config.timeout)
            .rpc_timeout(config.timeout)
            .retry(
                RetryConfig::new()
                    .max_attempts(config.retries.saturating_add(1))
                    .max_retry_timeout(config.timeout)
                    .initial_backoff(PAUSE)
                    .max_backoff(LONGEST_PAUSE)
                    .backoff_multiplier(2.0),
            )
            // The client's own reports to the cluster; ours are spans.
            .telemetry(TelemetryConfig::new().enabled(false));
        if let Some(token) = &config.token {
            settings = settings.token(token);
        }
        if let Some(database) = &config.database {
            settings = settings.database(database);
        }
        let client = runtime
            .block_on(ClientV2::new(&settings))
            .map_err(|error| refusal(&config, "connect", error))?;
        Ok(Self {
            client,
            config,
            runtime,
        })
    }

    pub(super) fn config(&self) -> &MilvusConfig {
        &self.config
    }

    /// Where calls run.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn client(&self) -> &ClientV2 {
        &self.client
    }

    /// Makes a call and waits for its answer. Where nobody answers it is made again; where the collection
    /// is not in memory it is loaded first.
    pub(super) fn call<T, F: Future<Output = SdkResult<T>>>(
        &self,
        operation: Operation,
        make: impl Fn(ClientV2) -> F,
    ) -> Result<T, MilvusError> {
        let span = self.start(operation);
        let answer = span.in_scope(|| {
            let trace = span.trace_id().to_string();
            let tries = self.tries(operation, make);
            // Milvus writes it into its own log.
            self.runtime.block_on(with_client_request_id(trace, tries))
        });
        answer.inspect_err(|error| span.fail(error_type(error), &error.to_string()))
    }

    async fn tries<T, F: Future<Output = SdkResult<T>>>(
        &self,
        operation: Operation,
        make: impl Fn(ClientV2) -> F,
    ) -> Result<T, MilvusError> {
        let started = Instant::now();
        let mut pause = PAUSE;
        let mut left = self.config.retries;
        let mut loaded = false;
        loop {
            let error = match make(self.client.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let fits = started.elapsed() + pause < self.config.timeout;
            match &error {
                // After a restart it may be on disk only.
                SdkError::Server(said)
                    if !loaded && [said.code(), said.legacy_code()].contains(&NOT_LOADED) =>
                {
                    loaded = true;
                    self.load()
                        .await
                        .map_err(|error| refusal(&self.config, "load", error))?;
                }
                // The client tries reads again by itself, and leaves what writes to its caller.
                SdkError::Grpc(status)
                    if matches!(operation, Operation::Upsert | Operation::Delete)
                        && may_pass(status.code() as i32)
                        && left > 0
                        && fits =>
                {
                    left -= 1;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                _ => return Err(refusal(&self.config, operation.name(), error)),
            }
        }
    }

    /// Takes the collection into memory.
    pub(super) async fn load(&self) -> SdkResult<()> {
        let request = LoadCollectionRequest::builder()
            .collection_name(&self.config.collection)
            .build()?;
        self.client.load_collection(request).await
    }

    fn start(&self, operation: Operation) -> Calling {
        let MilvusConfig {
            url, collection, ..
        } = &self.config;
        macro_rules! span {
            ($kind:ident) => {
                Calling::$kind($kind::start(
                    SYSTEM,
                    operation.name(),
                    collection.as_str(),
                    url.host.as_str(),
                    i64::from(url.port),
                    SYSTEM,
                ))
            };
        }
        match operation {
            Operation::Search => span!(Search),
            Operation::Query => span!(Query),
            Operation::Upsert => span!(Upsert),
            Operation::Delete => span!(Delete),
            Operation::Manage(_) => span!(Manage),
        }
    }
}

/// Whether a failed transport may work in a moment, by gRPC's numbers: CANCELLED, UNKNOWN, ABORTED, INTERNAL
/// and UNAVAILABLE.
fn may_pass(code: i32) -> bool {
    matches!(code, 1 | 2 | 10 | 13 | 14)
}

/// gRPC's numbers for a call that took too long, and for an answer that is too long.
const DEADLINE_EXCEEDED: i32 = 4;
const OUT_OF_RANGE: i32 = 11;

/// A word of few.
fn error_type(error: &MilvusError) -> &'static str {
    match error {
        MilvusError::Unreachable { .. } => "unreachable",
        MilvusError::Refused { .. } => "refused",
        _ => "answer",
    }
}

/// What the client says, in our words.
pub(super) fn refusal(
    config: &MilvusConfig,
    operation: &'static str,
    error: SdkError,
) -> MilvusError {
    let passing = |message: String| MilvusError::Unreachable {
        url: config.url.clone(),
        message,
    };
    match error {
        SdkError::Grpc(status) if may_pass(status.code() as i32) => {
            passing(format!("{}: {}", status.code(), status.message()))
        }
        SdkError::Grpc(status) if status.code() as i32 == DEADLINE_EXCEEDED => {
            passing(format!("no answer within {:?}", config.timeout))
        }
        SdkError::Grpc(status) if status.code() as i32 == OUT_OF_RANGE => {
            MilvusError::AnswerTooLarge { operation }
        }
        SdkError::Grpc(status) => MilvusError::Refused {
            operation,
            code: status.code() as i32,
            message: format!("{}: {}", status.code(), status.message()),
        },
        SdkError::Timeout(message) | SdkError::Cancelled(message) => passing(message),
        SdkError::RetryExhausted { attempts, source } => {
            match refusal(config, operation, *source) {
                MilvusError::Unreachable { url, message } => MilvusError::Unreachable {
                    url,
                    message: format!("{message} ({attempts} tries)"),
                },
                refused => refused,
            }
        }
        SdkError::Server(said) => MilvusError::Refused {
            operation,
            code: match said.code() {
                0 => said.legacy_code(),
                code => code,
            },
            message: said.reason().to_owned(),
        },
        SdkError::Validation(error) => MilvusError::Refused {
            operation,
            code: 0,
            message: error.to_string(),
        },
        error => MilvusError::Answer {
            operation,
            reason: error.to_string(),
        },
    }
}
