//! The variables of the environment, seen from the collector: what they change of what arrives.

use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::llm::Generate;
use llasta_telemetry::schema::rag::{BuildContext, RetrieveContext};
use llasta_telemetry::{ErrorKind, Guard, Telemetry};
use tokio::runtime::Builder;

use super::client::through_and_back;
use super::support::{Collector, Lines, PATIENCE, Span, Spans, alone};

/// Runs `body` in a process with these variables and the endpoint of a collector, and gives back
/// what that process exported.
fn exported(variables: &[(&str, &str)], body: impl FnOnce()) -> Option<Vec<Span>> {
    let mut collector = Collector::start();
    let endpoint = collector.endpoint();
    let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)];
    all.extend(variables);
    alone(&all, body)?;
    Some(collector.arrived())
}

fn build() -> Guard {
    let lines = Lines::new().0;
    Telemetry::builder("from-code")
        .version("1.0.0")
        .resource_attribute("team", "from-code")
        .log_lines(lines)
        .build()
        .unwrap()
}

/// Ends a span with a child.
fn record(telemetry: &Guard) {
    let outer = RetrieveContext::start_in(telemetry, 5, 0.5);
    outer.query("what is monitored?");
    outer.in_scope(|| BuildContext::start(1, 1).finish(1, 1));
    drop(outer);
    telemetry.shutdown_blocking(PATIENCE);
}

#[test]
fn a_disabled_sdk_passes_the_caller_s_trace_on() {
    alone(&[("OTEL_SDK_DISABLED", "true")], || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let telemetry = build();
            let (answer, trace) = through_and_back(&telemetry).await;
            assert_eq!(answer, format!("{trace} none"));
        });
    });
}

#[test]
fn the_sampler_is_what_the_variable_says() {
    for (name, share, kept) in [
        ("always_on", "", 2),
        ("always_off", "", 0),
        ("traceidratio", "1", 2),
        ("traceidratio", "0", 0),
        ("parentbased_always_on", "", 2),
        ("parentbased_always_off", "", 0),
        ("parentbased_traceidratio", "0.0", 0),
        (" parentbased_traceidratio ", "", 2),
    ] {
        let variables = [
            ("OTEL_TRACES_SAMPLER", name),
            ("OTEL_TRACES_SAMPLER_ARG", share),
        ];
        let Some(spans) = exported(&variables, || record(&build())) else {
            return;
        };
        assert_eq!(spans.len(), kept, "{name} {share}");
    }
}

#[test]
fn the_resource_is_what_the_variables_say() {
    let attributes = "team=from-env,region=n%C3%B6rth%20west,service.name=from-attributes";
    for (name, service) in [("from-name", "from-name"), ("", "from-attributes")] {
        let variables = [
            ("OTEL_RESOURCE_ATTRIBUTES", attributes),
            ("OTEL_SERVICE_NAME", name),
        ];
        let spans = exported(&variables, || {
            let expected = std::env::var("OTEL_SERVICE_NAME").unwrap();
            let name = build().service_name().to_owned();
            assert!(name == expected || expected.is_empty() && name == "from-attributes");
            record(&build());
        });
        let Some(spans) = spans else { return };
        let resource = &spans[0].resource;
        assert_eq!(resource["service.name"], service);
        assert_eq!(resource["team"], "from-env");
        assert_eq!(resource["region"], "nörth west");
        assert_eq!(resource["service.version"], "1.0.0");
    }
}

#[test]
fn without_a_propagator_the_caller_is_not_heard_and_nobody_is_told() {
    for list in ["none", "baggage", "tracecontext,baggage"] {
        let output = alone(&[("OTEL_PROPAGATORS", list)], || {
            let told = std::env::var("OTEL_PROPAGATORS")
                .unwrap()
                .contains("tracecontext");
            let telemetry = build();
            assert_eq!(telemetry.propagates(), told);
            let baggage = std::env::var("OTEL_PROPAGATORS").unwrap();
            assert_eq!(telemetry.propagates_baggage(), baggage.contains("baggage"));
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let (answer, trace) = runtime.block_on(through_and_back(&telemetry));
            let trace = trace.split('-').nth(1).unwrap();
            assert_eq!(answer.contains(trace), told, "{answer}");
            assert_eq!(answer == "none none", !told, "{answer}");
        });
        if output.is_none() {
            return;
        }
    }
}

#[test]
fn attribute_names_and_content_are_what_the_variables_say() {
    for (names, content, ours, theirs, query) in [
        ("both", "truncate(4)", true, true, Some("what")),
        ("llasta", "full", true, false, Some("what is monitored?")),
        ("otel", "off", false, true, None),
    ] {
        let variables = [
            ("LLASTA_ATTRIBUTE_NAMES", names),
            ("LLASTA_CONTENT", content),
        ];
        let Some(spans) = exported(&variables, || record(&build())) else {
            return;
        };
        let span = spans.named("rag.retrieve_context");
        assert_eq!(!span.get("rag.top_k").is_null(), ours, "{names}");
        assert_eq!(
            !span.get("gen_ai.retrieval.top_k").is_null(),
            theirs,
            "{names}"
        );
        let key = if ours {
            "rag.query"
        } else {
            "gen_ai.retrieval.query.text"
        };
        assert_eq!(span.get(key).as_str(), query, "{content}");
    }
}

#[test]
fn messages_go_where_the_variable_lets_them() {
    let variable = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    for (value, captured) in [("", None), ("no_content", None), ("SPAN_ONLY", Some("[]"))] {
        let spans = exported(&[(variable, value)], || {
            let telemetry = build();
            Generate::start_in(&telemetry, "tiny", 1, 10, false).input_messages("[]");
            telemetry.shutdown_blocking(PATIENCE);
        });
        let Some(spans) = spans else { return };
        assert_eq!(
            spans[0].get("llm.input_messages").as_str(),
            captured,
            "{value}"
        );
    }
}

#[test]
fn the_queue_is_as_large_as_the_variable_says() {
    let variables = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "7"),
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ];
    let spans = exported(&variables, || {
        let telemetry = build();
        for _ in 0..10 {
            BuildContext::start_in(&telemetry, 1, 1).finish(1, 1);
        }
        // A queue that small is full before a batch of the usual size: it is sent when full.
        let report = telemetry.shutdown_blocking(PATIENCE);
        assert!(report.dropped <= 3, "{report}");
        assert_eq!(report.exported + report.dropped, 10);
        let page = telemetry.registry().render(Format::Text);
        assert!(page.contains("llasta_telemetry_export_queue_capacity 7\n"));
    });
    if let Some(spans) = spans {
        assert!(spans.len() >= 7);
    }
}

#[test]
fn a_wrong_value_is_said_with_its_variable_and_what_is_allowed_at_install() {
    for (variable, wrong, allowed) in [
        (
            "OTEL_TRACES_SAMPLER",
            "sometimes",
            "parentbased_traceidratio",
        ),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "from 0 to 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "half", "from 0 to 1"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_PROPAGATORS", "b3", "tracecontext, baggage or none"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "grpc://alloy:4317",
            "http:// or https://",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            ":4317",
            "http://alloy:4317",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "use grpc"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "http/json",
            "use grpc",
        ),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "a whole number"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", "a whole number"),
        ("OTEL_BSP_SCHEDULE_DELAY", "5s", "a whole number"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "1.5", "a whole number"),
        (
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
            "true",
            "SPAN_AND_EVENT",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "team", "key=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=100%", "%25"),
        ("LLASTA_CONTENT", "truncate(x)", "truncate(n)"),
        ("LLASTA_ATTRIBUTE_NAMES", "all", "llasta, otel or both"),
        ("LLASTA_BAGGAGE_ATTRIBUTES", "rag.query", "choose another"),
        ("LLASTA_LOG_FORMAT", "yaml", "json or pretty"),
        ("LLASTA_LOG", "shop=loud", "info,llasta_rag=debug"),
        ("RUST_LOG", "shop=loud", "info,llasta_rag=debug"),
    ] {
        let mut variables = vec![(variable, wrong), ("EXPECT_VARIABLE", variable)];
        variables.extend([("EXPECT_VALUE", wrong), ("EXPECT_ALLOWED", allowed)]);
        if variable == "OTEL_TRACES_SAMPLER_ARG" {
            variables.push(("OTEL_TRACES_SAMPLER", "traceidratio"));
        }
        let output = alone(&variables, || {
            let error = Telemetry::builder("svc").install().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let message = error.to_string();
            for part in ["EXPECT_VARIABLE", "EXPECT_VALUE", "EXPECT_ALLOWED"] {
                let part = std::env::var(part).unwrap();
                assert!(message.contains(&part), "`{part}` is not in `{message}`");
            }
        });
        if output.is_none() {
            return;
        }
    }
}

#[test]
fn an_empty_variable_is_none() {
    let variables = [
        ("OTEL_TRACES_SAMPLER", ""),
        ("OTEL_TRACES_EXPORTER", " "),
        ("OTEL_PROPAGATORS", ""),
        ("OTEL_SERVICE_NAME", ""),
        ("OTEL_BSP_MAX_QUEUE_SIZE", ""),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", ""),
        ("LLASTA_LOG", ""),
    ];
    if let Some(spans) = exported(&variables, || record(&build())) {
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0].service(), "from-code");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_collector_behind_https_needs_a_feature_and_says_which() {
    alone(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://alloy:4317")],
        || {
            let error = Telemetry::builder("svc").build().unwrap_err().to_string();
            assert!(error.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{error}");
            assert!(error.contains("feature `tls`"), "{error}");
        },
    );
}
