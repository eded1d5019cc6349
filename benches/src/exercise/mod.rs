//! The work that is done with and without telemetry.

pub(crate) mod chunk;
mod client;
pub mod page;
mod repeat;
mod server;

pub use self::chunk::Chunks;
pub use self::client::Client;
pub use self::repeat::Repeat;
pub use self::server::{NoopLayer, Server, chat_router};

/// The body of every request, 83 bytes.
const QUESTION: &str =
    r#"{"messages":[{"role":"user","content":"What is monitored, and where?"}],"stream":0}"#;

/// What proves that a subject did its work.
#[derive(Default)]
pub struct Proof {
    settle: Option<Box<dyn FnMut()>>,
    verify: Option<Box<dyn FnMut(u64)>>,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof").finish_non_exhaustive()
    }
}

impl Proof {
    /// There is nothing to prove: no telemetry.
    pub fn none() -> Self {
        Self::default()
    }

    /// `settle` sends what waits; `verify` panics unless so many operations left their traces.
    pub fn new(settle: impl FnMut() + 'static, verify: impl FnMut(u64) + 'static) -> Self {
        Self {
            settle: Some(Box::new(settle)),
            verify: Some(Box::new(verify)),
        }
    }

    pub(crate) fn settle(&mut self) {
        if let Some(settle) = &mut self.settle {
            settle();
        }
    }

    pub(crate) fn verify(&mut self, operations: u64) {
        if let Some(verify) = &mut self.verify {
            verify(operations);
        }
    }
}
