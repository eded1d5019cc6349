use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use llasta_telemetry::registry::{self, File, Weaver};
use llasta_telemetry::schema::Schema;
use serde_json::Value;

use super::{crate_folder, merged, own};

/// Weaver 0.25's own description of a definition file.
fn weavers() -> Validator {
    let path = crate_folder().join("tests/data/weaver/semconv.schema.v2.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn parsed(file: &File) -> Value {
    yaml_serde::from_str(&file.text).unwrap()
}

/// The definition files: everything but the manifest.
fn definitions(files: &[File]) -> Vec<(&str, Value)> {
    let all = files.iter().filter(|file| file.path != "manifest.yaml");
    all.map(|file| (file.path.as_str(), parsed(file))).collect()
}

fn list<'a>(file: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    file.get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Every attribute that some file defines, with its definition.
fn attributes(files: &[(&str, Value)]) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (path, file) in files {
        for attribute in list(file, "attributes") {
            let key = attribute["key"].as_str().unwrap().to_owned();
            let before = all.insert(key.clone(), attribute.clone());
            assert!(before.is_none(), "{path} defines {key} once more");
        }
    }
    all
}

/// What the spans, metrics and groups refer to.
fn refs(files: &[(&str, Value)]) -> BTreeSet<String> {
    let signals = files.iter().flat_map(|(_, file)| {
        ["spans", "metrics", "attribute_groups"]
            .into_iter()
            .flat_map(move |kind| list(file, kind))
    });
    signals
        .flat_map(|signal| list(signal, "attributes"))
        .map(|one| one["ref"].as_str().unwrap().to_owned())
        .collect()
}

fn every_export() -> Vec<Vec<File>> {
    [Schema::contract(), merged(), own()]
        .iter()
        .flat_map(|schema| {
            [false, true].map(|up| registry::weaver(schema, &Weaver::default().upstream(up)))
        })
        .collect()
}

#[test]
fn every_definition_file_is_valid_by_weavers_own_schema() {
    let weavers = weavers();
    for files in every_export() {
        for (path, file) in definitions(&files) {
            let errors: Vec<_> = weavers
                .iter_errors(&file)
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{path}: {errors:#?}");
        }
    }
    // It does refuse.
    assert!(!weavers.is_valid(&serde_json::json!({ "file_format": "definition/1" })));
}

#[test]
fn nothing_is_defined_twice_and_every_reference_of_a_complete_registry_resolves() {
    for schema in [Schema::contract(), merged()] {
        let files = registry::weaver(&schema, &Weaver::default());
        let files = definitions(&files);
        let defined: BTreeSet<_> = attributes(&files).into_keys().collect();
        let unresolved: Vec<_> = refs(&files).difference(&defined).cloned().collect();
        assert!(unresolved.is_empty(), "{unresolved:?}");
        for (kind, id) in [
            ("spans", "type"),
            ("metrics", "name"),
            ("attribute_groups", "id"),
        ] {
            let mut seen = BTreeSet::new();
            for signal in files.iter().flat_map(|(_, file)| list(file, kind)) {
                let id = signal[id].as_str().unwrap();
                assert!(seen.insert(id.to_owned()), "{kind}: {id} twice");
                let mut keys = BTreeSet::new();
                for one in list(signal, "attributes") {
                    assert!(keys.insert(one["ref"].to_string()), "{id}: {one} twice");
                }
            }
        }
        let mut paths = BTreeSet::new();
        for (path, _) in &files {
            assert!(paths.insert(*path), "{path} twice");
        }
    }
}

#[test]
fn a_schema_by_itself_brings_the_attributes_it_borrows() {
    let files = registry::weaver(&own(), &Weaver::default());
    let files = definitions(&files);
    let defined = attributes(&files);
    for key in refs(&files) {
        assert!(defined.contains_key(&key), "{key}");
    }
    assert!(defined.contains_key("rag.top_k"));
}

#[test]
fn every_signal_says_how_firm_it_is_and_whether_it_is_recommended() {
    for files in every_export() {
        let files = definitions(&files);
        let mut signals = 0;
        for (path, file) in &files {
            for signal in list(file, "spans").chain(list(file, "metrics")) {
                signals += 1;
                assert!(signal["stability"].is_string(), "{path}: {signal}");
                assert!(signal["requirement_level"].is_string(), "{path}: {signal}");
                for one in list(signal, "attributes") {
                    assert!(!one["requirement_level"].is_null(), "{path}: {one}");
                }
            }
        }
        assert!(signals > 0);
        for (key, attribute) in attributes(&files) {
            assert!(attribute["stability"].is_string(), "{key}");
            assert!(!attribute["brief"].as_str().unwrap().is_empty(), "{key}");
        }
    }
}

#[test]
fn examples_are_of_the_type_of_their_attribute() {
    let files = registry::weaver(&merged(), &Weaver::default());
    for (key, attribute) in attributes(&definitions(&files)) {
        let Some(ty) = attribute["type"].as_str() else {
            assert!(!attribute["type"]["members"].as_array().unwrap().is_empty());
            continue;
        };
        let examples: Vec<_> = list(&attribute, "examples").collect();
        assert!(!examples.is_empty(), "{key} has no example");
        for example in examples {
            let good = match ty {
                "int" => example.is_i64(),
                "double" => example.is_f64(),
                "string" => example.is_string(),
                "boolean" => example.is_boolean(),
                "string[]" => example
                    .as_array()
                    .is_some_and(|all| all.iter().all(Value::is_string)),
                other => panic!("{key} is of type {other}"),
            };
            assert!(good, "{key}: {example} is no {ty}");
        }
    }
}

#[test]
fn every_key_span_metric_and_label_of_the_schema_is_in_it() {
    let schema = merged();
    let files = registry::weaver(&schema, &Weaver::default());
    let files = definitions(&files);
    let defined = attributes(&files);
    for key in schema.keys() {
        assert_eq!(defined[key.name]["type"], key.ty.name());
    }
    let named = |kind: &str, id: &str| -> BTreeSet<String> {
        files
            .iter()
            .flat_map(|(_, file)| list(file, kind))
            .map(|signal| signal[id].as_str().unwrap().to_owned())
            .collect()
    };
    let (spans, metrics) = (named("spans", "type"), named("metrics", "name"));
    for metric in schema.metrics() {
        assert!(metrics.contains(metric.name), "{}", metric.name);
        for label in metric.labels {
            // The one label that cannot be: see below.
            let fits = label.name != "service";
            assert_eq!(defined.contains_key(label.name), fits, "{}", label.name);
        }
    }
    for span in schema.spans().filter(|span| !span.name.contains('{')) {
        assert!(spans.contains(span.name), "{}", span.name);
    }
    assert!(spans.contains("http.server") && spans.contains("http.client"));
}

/// What Weaver's `live-check` calls `illegal_namespace`, a violation for every key that is sent.
#[test]
fn no_attribute_is_the_namespace_of_another_or_of_what_services_send() {
    for files in every_export() {
        let files = definitions(&files);
        let defined = attributes(&files);
        let contract = Schema::contract();
        let sent = contract.keys().map(|key| key.name.to_owned());
        let keys: BTreeSet<_> = defined
            .keys()
            .cloned()
            .chain(refs(&files))
            .chain(sent)
            .collect();
        for key in &keys {
            for (end, _) in key.match_indices('.') {
                assert!(!keys.contains(&key[..end]), "{} and {key}", &key[..end]);
            }
        }
    }
}

#[test]
fn a_label_that_is_a_namespace_is_left_to_the_note_of_its_metric() {
    let files = registry::weaver(&Schema::contract(), &Weaver::default());
    let files = definitions(&files);
    let mut metrics = files.iter().flat_map(|(_, file)| list(file, "metrics"));
    let build = metrics
        .find(|metric| metric["name"] == "llasta_build_info")
        .unwrap();
    let labels: Vec<_> = list(build, "attributes").map(|one| &one["ref"]).collect();
    assert_eq!(labels, ["version"]);
    assert!(build["note"].as_str().unwrap().contains("`service`"));
}

#[test]
fn a_metric_without_a_declared_unit_has_the_one_its_name_ends_in() {
    let files = registry::weaver(&Schema::contract(), &Weaver::default());
    let files = definitions(&files);
    let unit = |name: &str| {
        let mut metrics = files.iter().flat_map(|(_, file)| list(file, "metrics"));
        let metric = metrics.find(|metric| metric["name"] == name).unwrap();
        metric["unit"].as_str().unwrap()
    };
    assert_eq!(unit("process_cpu_seconds_total"), "s");
    assert_eq!(unit("process_resident_memory_bytes"), "By");
    assert_eq!(unit("chatbot_requests_total"), "1");
    assert_eq!(unit("chatbot_rag_chunks_sent"), "{chunk}");
}

#[test]
fn a_closed_label_set_is_an_enum_of_what_all_metrics_together_allow() {
    let files = registry::weaver(&merged(), &Weaver::default());
    let all = attributes(&definitions(&files));
    let values = |label: &str| -> Vec<String> {
        list(&all[label]["type"], "members")
            .map(|member| member["value"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(values("status"), ["success", "error", "cancelled"]);
    let endpoints = values("endpoint");
    for endpoint in ["/api/chat", "/health", "health", "search", "unmatched"] {
        assert!(
            endpoints.iter().any(|value| value == endpoint),
            "{endpoints:?}"
        );
    }
    assert_eq!(all["model"]["type"], "string");
}

#[test]
fn old_names_and_deprecations_are_said_in_weavers_words() {
    let files = registry::weaver(&merged(), &Weaver::default());
    let files = definitions(&files);
    let all = attributes(&files);
    assert_eq!(all["billing.sum"]["deprecated"]["reason"], "renamed");
    assert_eq!(
        all["billing.sum"]["deprecated"]["renamed_to"],
        "billing.amount"
    );
    assert_eq!(all["coin"]["deprecated"]["renamed_to"], "currency");
    assert_eq!(
        all["billing.cheque"]["deprecated"]["reason"],
        "uncategorized"
    );
    let signal = |kind: &str, id: &str, name: &str| -> Value {
        let mut signals = files.iter().flat_map(|(_, file)| list(file, kind));
        signals.find(|signal| signal[id] == name).unwrap().clone()
    };
    let metric = signal("metrics", "name", "billing_payments_total");
    assert_eq!(metric["deprecated"]["renamed_to"], "billing_charges_total");
    let span = signal("spans", "type", "billing.pay");
    assert_eq!(span["deprecated"]["renamed_to"], "billing.charge");
}

#[test]
fn twins_and_fixed_values_stand_on_the_spans_that_carry_them() {
    let files = registry::weaver(&Schema::contract(), &Weaver::default());
    let files = definitions(&files);
    let mut spans = files.iter().flat_map(|(_, file)| list(file, "spans"));
    let retrieve = spans
        .find(|span| span["type"] == "rag.retrieve_context")
        .unwrap();
    let one = |key: &str| {
        list(retrieve, "attributes")
            .find(|one| one["ref"] == key)
            .unwrap()
    };
    assert_eq!(one("rag.top_k")["requirement_level"], "required");
    assert!(
        one("gen_ai.retrieval.top_k")["note"]
            .as_str()
            .unwrap()
            .contains("`rag.top_k`")
    );
    assert_eq!(one("gen_ai.operation.name")["examples"][0], "retrieval");
}

#[test]
fn with_upstream_as_a_dependency_only_own_attributes_are_defined() {
    let files = registry::weaver(&Schema::contract(), &Weaver::default().upstream(true));
    let manifest = parsed(&files[0]);
    let dependencies = manifest["dependencies"].as_array().unwrap();
    assert!(
        dependencies
            .iter()
            .all(|one| one["registry_path"].as_str().unwrap().contains("@v"))
    );
    let definitions = definitions(&files);
    let defined = attributes(&definitions);
    assert!(defined.contains_key("rag.top_k") && defined.contains_key("endpoint"));
    for theirs in ["http.route", "gen_ai.request.model", "service.name"] {
        assert!(!defined.contains_key(theirs), "{theirs}");
    }
    // Deprecated upstream, and in the contract: as upstream's they would be violations.
    for kept in ["error.message", "peer.service"] {
        assert!(defined[kept].get("deprecated").is_none(), "{kept}");
    }
    // Whatever is not defined here is referred to, so that the resolved registry has it.
    let refs = refs(&definitions);
    for key in Schema::contract().keys() {
        assert!(
            defined.contains_key(key.name) || refs.contains(key.name),
            "{}",
            key.name
        );
    }
}

#[test]
fn the_manifest_names_the_registry_and_its_version() {
    let options = Weaver::new("till", "Money", "https://example.com/schemas/");
    let files = registry::weaver(&own(), &options);
    let manifest = parsed(&files[0]);
    assert_eq!(files[0].path, "manifest.yaml");
    assert_eq!(manifest["name"], "till");
    let url = format!("https://example.com/schemas/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["schema_url"], url);
    assert!(manifest.get("dependencies").is_none());
    // Weaver 0.25 refuses any that is not the one of a packaged registry.
    assert!(manifest.get("file_format").is_none());
}
