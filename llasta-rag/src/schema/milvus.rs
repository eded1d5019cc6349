//! Calls to Milvus, by OpenTelemetry's conventions for databases, version 1.44.0.

use llasta_telemetry::schema::http::{PEER_SERVICE, SERVER_ADDRESS, SERVER_PORT};
use llasta_telemetry::schema::otel::{DB_OPERATION_NAME, DB_SYSTEM_NAME};

llasta_telemetry::schema! {
    /// Calls to Milvus.
    foreign namespace milvus;

    keys {
        /// The collection that is asked.
        DB_COLLECTION_NAME: "db.collection.name" => str { example: "llasta" },
    }

    spans {
        /// The nearest vectors.
        Search: "milvus.search" client {
            start: DB_SYSTEM_NAME, DB_OPERATION_NAME, DB_COLLECTION_NAME, SERVER_ADDRESS, SERVER_PORT, PEER_SERVICE;
        }
        /// Items by their keys or by an expression, or how many there are.
        Query: "milvus.query" client {
            start: DB_SYSTEM_NAME, DB_OPERATION_NAME, DB_COLLECTION_NAME, SERVER_ADDRESS, SERVER_PORT, PEER_SERVICE;
        }
        /// Items are written.
        Upsert: "milvus.upsert" client {
            start: DB_SYSTEM_NAME, DB_OPERATION_NAME, DB_COLLECTION_NAME, SERVER_ADDRESS, SERVER_PORT, PEER_SERVICE;
        }
        /// Items are deleted.
        Delete: "milvus.delete" client {
            start: DB_SYSTEM_NAME, DB_OPERATION_NAME, DB_COLLECTION_NAME, SERVER_ADDRESS, SERVER_PORT, PEER_SERVICE;
        }
        /// The collection itself is looked at, made or loaded.
        Manage: "milvus.manage" client {
            start: DB_SYSTEM_NAME, DB_OPERATION_NAME, DB_COLLECTION_NAME, SERVER_ADDRESS, SERVER_PORT, PEER_SERVICE;
        }
    }
}

/// Milvus's name among databases, and among the services that ours call.
pub const SYSTEM: &str = "milvus";
