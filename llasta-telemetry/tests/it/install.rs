//! The settings of the environment.

use llasta_telemetry::schema::rag::RetrieveContext;
use llasta_telemetry::span::Sampler;
use llasta_telemetry::{Names, Telemetry};
use opentelemetry::Key;

use super::support::{Collector, PATIENCE, alone, eager};

#[test]
fn a_disabled_sdk_makes_no_spans_and_no_ids_and_still_counts() {
    alone(&[("OTEL_SDK_DISABLED", "true")], || {
        let mut collector = Collector::start();
        let telemetry = Telemetry::builder("shop")
            .otlp_endpoint(collector.endpoint())
            .queue(eager())
            .build()
            .unwrap();
        let span = RetrieveContext::start_in(&telemetry, 5, 0.5);
        assert!(!span.is_recording());
        assert_eq!(span.trace_id(), opentelemetry::trace::TraceId::INVALID);
        drop(span);
        let _ = telemetry.flush_blocking(PATIENCE);
        assert!(collector.arrived().is_empty());
        let page = telemetry
            .registry()
            .render(llasta_telemetry::metrics::Format::Text);
        assert!(
            page.contains("llasta_build_info{service=\"shop\",version=\"unknown\"} 1\n"),
            "{page}"
        );
    });
}

#[test]
fn the_resource_comes_from_the_environment_before_the_code() {
    let variables = [
        ("OTEL_SERVICE_NAME", "from-environment"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test%20bed,service.version=9",
        ),
    ];
    alone(&variables, || {
        let mut collector = Collector::start();
        let telemetry = Telemetry::builder("from-code")
            .version("1")
            .otlp_endpoint(collector.endpoint())
            .queue(eager())
            .build()
            .unwrap();
        assert_eq!(telemetry.service_name(), "from-environment");
        drop(RetrieveContext::start_in(&telemetry, 5, 0.5));
        assert!(telemetry.flush_blocking(PATIENCE).is_complete());
        let span = collector.arrived().remove(0);
        assert_eq!(span.service(), "from-environment");
        assert_eq!(span.resource["service.version"], "9");
        for key in [
            "deployment.environment.name",
            "service.instance.id",
            "telemetry.sdk.name",
        ] {
            let value = telemetry.resource().get(&Key::new(key));
            assert!(
                value.is_some_and(|value| !value.to_string().is_empty()),
                "{key}"
            );
        }
    });
}

#[test]
fn the_sampler_comes_from_the_environment_unless_the_code_says_otherwise() {
    alone(&[("OTEL_TRACES_SAMPLER", "always_off")], || {
        let collector = Collector::start();
        let build = |sampler: Option<Sampler>| {
            let builder = Telemetry::builder("shop").otlp_endpoint(collector.endpoint());
            match sampler {
                Some(sampler) => builder.sampler(sampler).build().unwrap(),
                None => builder.build().unwrap(),
            }
        };
        assert!(!RetrieveContext::start_in(&build(None), 5, 0.5).is_recording());
        assert!(RetrieveContext::start_in(&build(Some(Sampler::AlwaysOn)), 5, 0.5).is_recording());
    });
}

#[test]
fn without_an_exporter_spans_have_ids_and_go_nowhere() {
    alone(&[("OTEL_TRACES_EXPORTER", "none")], || {
        let telemetry = Telemetry::builder("shop").build().unwrap();
        assert_eq!(telemetry.endpoint(), None);
        let span = RetrieveContext::start_in(&telemetry, 5, 0.5);
        assert_ne!(span.trace_id(), opentelemetry::trace::TraceId::INVALID);
        drop(span);
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).exported, 0);
    });
}

#[test]
fn the_endpoint_for_traces_goes_before_the_general_one_and_the_code_before_both() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces:4317"),
    ];
    alone(&variables, || {
        let telemetry = Telemetry::builder("shop").build().unwrap();
        assert_eq!(telemetry.endpoint(), Some("http://traces:4317"));
        let telemetry = Telemetry::builder("shop")
            .otlp_endpoint("http://code:4317")
            .build()
            .unwrap();
        assert_eq!(telemetry.endpoint(), Some("http://code:4317"));
    });
}

#[test]
fn attribute_names_can_be_chosen() {
    alone(&[("LLASTA_ATTRIBUTE_NAMES", "otel")], || {
        let mut collector = Collector::start();
        let builder = || {
            Telemetry::builder("shop")
                .otlp_endpoint(collector.endpoint())
                .queue(eager())
        };
        let (otel, ours) = (
            builder().build().unwrap(),
            builder().names(Names::Llasta).build().unwrap(),
        );
        drop(RetrieveContext::start_in(&otel, 5, 0.5));
        assert!(otel.flush_blocking(PATIENCE).is_complete());
        drop(RetrieveContext::start_in(&ours, 5, 0.5));
        assert!(ours.flush_blocking(PATIENCE).is_complete());
        let spans = collector.arrived();
        for (span, here, away) in [
            (&spans[0], "gen_ai.retrieval.top_k", "rag.top_k"),
            (&spans[1], "rag.top_k", "gen_ai.retrieval.top_k"),
        ] {
            let attributes = span.attributes();
            assert!(
                attributes.contains_key(here) && !attributes.contains_key(away),
                "{attributes:?}"
            );
        }
    });
}
