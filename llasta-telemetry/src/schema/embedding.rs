//! `embedding.*`: texts that become vectors. The span that carries these is
//! [`faiss::EmbedQuery`](super::faiss::EmbedQuery).

use super::twins;

crate::schema! {
    /// Text embeddings.
    namespace embedding;

    keys {
        /// Embedding model.
        MODEL: "embedding.model" => str { twin: twins::REQUEST_MODEL, example: "BAAI/bge-m3" },
        /// Dimensions of its vectors.
        DIMENSION: "embedding.dimension" => i64 { unit: "{dimension}", twin: twins::EMBEDDING_DIMENSIONS, example: "1024" },
        /// Unicode scalar values of the text.
        TEXT_LENGTH: "embedding.text_length" => i64 { unit: "{character}", example: "42" },
    }
}
