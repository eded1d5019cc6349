//! The twelve lines of the contract's first section.

use crate::schema::{Kind, faiss, llm, rag, response};

pub(super) const CHATBOT: &str = "chatbot-rag";
pub(super) const FAISS_WRAP: &str = "faiss-wrap";

/// One line of the tree.
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) service: &'static str,
    /// The line of the parent, which comes first.
    pub(super) parent: Option<usize>,
    /// The neighbour a CLIENT span calls.
    pub(super) peer: Option<&'static str>,
}

impl Node {
    const fn internal(name: &'static str, service: &'static str, parent: usize) -> Self {
        Self {
            name,
            kind: Kind::Internal,
            service,
            parent: Some(parent),
            peer: None,
        }
    }

    const fn server(name: &'static str, service: &'static str, parent: Option<usize>) -> Self {
        Self {
            name,
            kind: Kind::Server,
            service,
            parent,
            peer: None,
        }
    }

    const fn client(name: &'static str, parent: usize, peer: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Client,
            service: CHATBOT,
            parent: Some(parent),
            peer: Some(peer),
        }
    }
}

// The places of the lines in the tree.
pub(super) const CHAT: usize = 0;
pub(super) const RETRIEVE: usize = 1;
pub(super) const SEARCH_CALL: usize = 2;
pub(super) const SEARCH_SERVED: usize = 3;
pub(super) const SEARCH: usize = 4;
pub(super) const EMBED: usize = 5;
pub(super) const INDEX: usize = 6;
pub(super) const CONTEXT: usize = 7;
pub(super) const GENERATE: usize = 8;
/// The LLM's own spans may stand under this one.
pub(super) const LLM_CALL: usize = 9;
pub(super) const RESPONSE: usize = 10;
pub(super) const SEND: usize = 11;

/// As the contract draws it, parents before their children.
pub(super) static TREE: [Node; 12] = [
    Node::server("POST /api/chat", CHATBOT, None),
    Node::internal(rag::RetrieveContext::DEF.name, CHATBOT, CHAT),
    Node::client("POST /search", RETRIEVE, FAISS_WRAP),
    Node::server("POST /search", FAISS_WRAP, Some(SEARCH_CALL)),
    Node::internal(faiss::Search::DEF.name, FAISS_WRAP, SEARCH_SERVED),
    Node::internal(faiss::EmbedQuery::DEF.name, FAISS_WRAP, SEARCH),
    Node::internal(faiss::IndexSearch::DEF.name, FAISS_WRAP, SEARCH),
    Node::internal(rag::BuildContext::DEF.name, CHATBOT, CHAT),
    Node::internal(llm::Generate::DEF.name, CHATBOT, CHAT),
    Node::client("POST /v1/chat/completions", GENERATE, "vllm"),
    Node::internal(llm::Response::DEF.name, CHATBOT, GENERATE),
    Node::internal(response::SendToFrontend::DEF.name, CHATBOT, CHAT),
];
