//! HTTP: the stable OpenTelemetry conventions, version 1.44.0 of the specification.

use super::{Kind, Parent, Presence, SpanDef};

crate::schema! {
    /// OpenTelemetry's names for HTTP.
    foreign namespace http;

    keys {
        /// The request's method; `_OTHER` when it is none that is known.
        REQUEST_METHOD: "http.request.method" => str { example: "POST" },
        /// The method as it came, when it is none that is known.
        REQUEST_METHOD_ORIGINAL: "http.request.method_original" => str { example: "BREW" },
        /// Ordinal of a request that is sent again.
        REQUEST_RESEND_COUNT: "http.request.resend_count" => i64 { example: "1" },
        /// The route that matched; absent when none did.
        ROUTE: "http.route" => str { example: "/api/chat" },
        /// Status code of the answer.
        RESPONSE_STATUS_CODE: "http.response.status_code" => i64 { example: "200" },
        /// The path asked for.
        URL_PATH: "url.path" => str { example: "/api/chat" },
        /// The scheme asked for.
        URL_SCHEME: "url.scheme" => str { example: "http" },
        /// The whole address of a request that is made, without credentials.
        URL_FULL: "url.full" => str { example: "http://faiss-wrap:9000/search" },
        /// The path of a request that is made, of low cardinality.
        URL_TEMPLATE: "url.template" => str { development, example: "/search" },
        /// The name or address of the server.
        SERVER_ADDRESS: "server.address" => str { example: "faiss-wrap" },
        /// The port of the server.
        SERVER_PORT: "server.port" => i64 { example: "9000" },
        /// A word of low cardinality that says why it failed.
        ERROR_TYPE: "error.type" => str { example: "500", example: "client_disconnect", example: "timeout" },
        /// What went wrong, at most 100 characters.
        ERROR_MESSAGE: "error.message" => str { development, example: "connection refused" },
        /// The version of HTTP.
        NETWORK_PROTOCOL_VERSION: "network.protocol.version" => str { example: "1.1" },
        /// The client's own name for itself.
        USER_AGENT_ORIGINAL: "user_agent.original" => str { example: "curl/8.14.1" },
        /// The service on the other side, as its neighbours know it.
        PEER_SERVICE: "peer.service" => str { development, example: "faiss-wrap" },
    }
}

/// The `error.type` of a request whose client went away before the last byte.
pub const CLIENT_DISCONNECT: &str = "client_disconnect";

/// A request being answered. Named `METHOD {http.route}`, or `METHOD` when no route matched.
pub static SERVER: SpanDef = SpanDef {
    name: "{http.request.method} {http.route}",
    kind: Kind::Server,
    brief: "A request being answered, from its first byte in to its last byte out.",
    parents: &[Parent::Root, Parent::Client],
    attributes: &[
        (REQUEST_METHOD.def(), Presence::Start),
        (URL_PATH.def(), Presence::Start),
        (URL_SCHEME.def(), Presence::Start),
        (ROUTE.def(), Presence::Optional),
        (REQUEST_METHOD_ORIGINAL.def(), Presence::Optional),
        (SERVER_ADDRESS.def(), Presence::Optional),
        (SERVER_PORT.def(), Presence::Optional),
        (NETWORK_PROTOCOL_VERSION.def(), Presence::Optional),
        (USER_AGENT_ORIGINAL.def(), Presence::Optional),
        (RESPONSE_STATUS_CODE.def(), Presence::Optional),
        (ERROR_TYPE.def(), Presence::Optional),
        (ERROR_MESSAGE.def(), Presence::Optional),
    ],
    twins: &[],
    was: None,
    deprecated: None,
};

/// A request being made. Named `METHOD {url.template}`, or `METHOD` without a template.
pub static CLIENT: SpanDef = SpanDef {
    name: "{http.request.method} {url.template}",
    kind: Kind::Client,
    brief: "A request being made, until the last byte of its answer.",
    parents: &[],
    attributes: &[
        (REQUEST_METHOD.def(), Presence::Start),
        (URL_FULL.def(), Presence::Start),
        (SERVER_ADDRESS.def(), Presence::Start),
        (SERVER_PORT.def(), Presence::Start),
        (URL_TEMPLATE.def(), Presence::Optional),
        (REQUEST_METHOD_ORIGINAL.def(), Presence::Optional),
        (REQUEST_RESEND_COUNT.def(), Presence::Optional),
        (PEER_SERVICE.def(), Presence::Optional),
        (NETWORK_PROTOCOL_VERSION.def(), Presence::Optional),
        (RESPONSE_STATUS_CODE.def(), Presence::Optional),
        (ERROR_TYPE.def(), Presence::Optional),
        (ERROR_MESSAGE.def(), Presence::Optional),
    ],
    twins: &[],
    was: None,
    deprecated: None,
};
