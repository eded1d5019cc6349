//! The resource: who says it. One for each [`Telemetry`](crate::Telemetry).

crate::schema! {
    /// OpenTelemetry's names for the source of telemetry.
    foreign namespace service;

    keys {
        /// The service's name.
        SERVICE_NAME: "service.name" => str { example: "chatbot-rag" },
        /// The service's version.
        SERVICE_VERSION: "service.version" => str { example: "0.1.0" },
        /// One running copy of the service.
        SERVICE_INSTANCE_ID: "service.instance.id" => str { example: "627cc493-f310-47de-96bd-71410b7dec09" },
        /// The SDK's name.
        SDK_NAME: "telemetry.sdk.name" => str { example: "opentelemetry" },
        /// The SDK's language.
        SDK_LANGUAGE: "telemetry.sdk.language" => str { example: "rust" },
        /// The SDK's version.
        SDK_VERSION: "telemetry.sdk.version" => str { example: "0.33.1" },
    }
}
