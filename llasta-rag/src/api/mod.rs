//! The HTTP faces of the services, as types: what is asked, what is answered, how a refusal reads.
//!
//! In reading order: `error` is the one shape of every refusal, `body` reads JSON and says which
//! field is wrong, `fallback` refuses what no handler takes, `search` is faiss-wrap's face and `chat`
//! chatbot-rag's.

mod body;
pub mod chat;
mod error;
mod fallback;
pub mod search;

pub use self::body::JsonBody;
pub use self::error::ApiError;
pub(crate) use self::error::chain;
pub(crate) use self::fallback::{refuse_other_methods, refuse_others};
