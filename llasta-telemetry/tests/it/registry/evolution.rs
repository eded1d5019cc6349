use std::path::{Path, PathBuf};

use llasta_telemetry::registry::{self, Change, ChangeId, Section};
use llasta_telemetry::schema::Schema;
use serde_json::{Value, json};

use super::{crate_folder, edited, item, merged, own, remove};

/// What is found when something is different in a copy of the schema.
fn changed(edit: impl FnOnce(&mut Value)) -> Vec<Change> {
    let schema = merged();
    registry::diff(&schema, &edited(&schema, edit))
}

#[track_caller]
fn one(changes: &[Change], id: ChangeId) -> &Change {
    let mut found = changes.iter().filter(|change| change.id == id);
    let change = found.next();
    change.unwrap_or_else(|| panic!("no {id:?} in {changes:#?}"))
}

/// The heaviest change, which has to be this one.
#[track_caller]
fn undeclared(edit: impl FnOnce(&mut Value), id: ChangeId, section: Section) -> Change {
    let changes = changed(edit);
    let change = one(&changes, id).clone();
    assert!(change.undeclared && change.breaking, "{change}");
    assert_eq!(change.section, section, "{change}");
    assert!(!change.advice.is_empty(), "{change}");
    change
}

#[track_caller]
fn compatible(edit: impl FnOnce(&mut Value), id: ChangeId) -> Change {
    let changes = changed(edit);
    let change = one(&changes, id).clone();
    assert!(
        changes.iter().all(|change| !change.breaking),
        "{changes:#?}"
    );
    change
}

#[test]
fn the_contract_keeps_what_its_releases_promised() {
    let folder = crate_folder().join("registry");
    registry::keeps(&Schema::contract(), &folder, env!("CARGO_PKG_VERSION")).unwrap();
    // The binary has what lies in the folder.
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let version = path.file_stem().unwrap().to_str().unwrap();
        let there = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            registry::release(version),
            Some(there.as_str()),
            "{version}"
        );
    }
    assert_eq!(registry::release("0.0.9"), None);
}

#[test]
fn what_breaks_is_found_and_advised_on() {
    let top_k = |schema: &mut Value, field: &str, value: Value| {
        item(schema, "keys", "rag.top_k")[field] = value;
    };
    let change = undeclared(
        |schema| top_k(schema, "type", json!("double")),
        ChangeId::Retyped,
        Section::Changed,
    );
    assert!(
        change.message.contains("double") && change.message.contains("int"),
        "{change}"
    );
    undeclared(
        |schema| top_k(schema, "unit", json!("{document}")),
        ChangeId::UnitChanged,
        Section::Changed,
    );
    undeclared(
        |schema| top_k(schema, "twin", Value::Null),
        ChangeId::TwinChanged,
        Section::Changed,
    );

    let span = |schema: &mut Value, field: &str, value: Value| {
        item(schema, "spans", "faiss.search")[field] = value;
    };
    undeclared(
        |schema| span(schema, "kind", json!("client")),
        ChangeId::KindChanged,
        Section::Changed,
    );
    undeclared(
        |schema| span(schema, "parents", json!(["root"])),
        ChangeId::ParentsChanged,
        Section::Changed,
    );
    undeclared(
        |schema| span(schema, "twins", json!([])),
        ChangeId::FixedChanged,
        Section::Changed,
    );
    undeclared(
        |schema| span(schema, "attributes", json!([])),
        ChangeId::AttributeRemoved,
        Section::Removed,
    );
    undeclared(
        |schema| {
            item(schema, "spans", "faiss.search")["attributes"][0]["presence"] = json!("optional");
        },
        ChangeId::RequirementChanged,
        Section::Changed,
    );

    let requests = "faiss_wrap_requests_total";
    let metric = |schema: &mut Value, field: &str, value: Value| {
        item(schema, "metrics", requests)[field] = value;
    };
    undeclared(
        |schema| metric(schema, "instrument", json!("gauge")),
        ChangeId::InstrumentChanged,
        Section::Changed,
    );
    undeclared(
        |schema| metric(schema, "labels", json!([])),
        ChangeId::LabelRemoved,
        Section::Removed,
    );
    undeclared(
        |schema| item(schema, "metrics", requests)["labels"][0]["values"] = json!("text"),
        ChangeId::LabelValuesChanged,
        Section::Changed,
    );
    undeclared(
        |schema| {
            item(schema, "metrics", requests)["labels"][1]["values"] =
                json!({ "closed": ["success"] });
        },
        ChangeId::LabelValuesChanged,
        Section::Changed,
    );
    undeclared(
        |schema| {
            let label = json!({ "name": "tenant", "values": "text" });
            let labels = &mut item(schema, "metrics", requests)["labels"];
            labels.as_array_mut().unwrap().push(label);
        },
        ChangeId::LabelAdded,
        Section::Changed,
    );
    undeclared(
        |schema| {
            item(schema, "metrics", "faiss_wrap_search_results_count")["buckets"] = json!([1.0]);
        },
        ChangeId::BucketsChanged,
        Section::Changed,
    );
    undeclared(
        |schema| {
            let namespaces = schema["namespaces"].as_array_mut().unwrap();
            let mut all = namespaces.iter_mut();
            all.find(|namespace| namespace["name"] == "faiss_wrap")
                .unwrap()["owner"] = json!("everyone");
        },
        ChangeId::OwnerChanged,
        Section::Changed,
    );
    for (list, name) in [
        ("metrics", "faiss_wrap_upserts_total"),
        ("spans", "response.send_to_frontend"),
    ] {
        let change = undeclared(
            |schema| remove(schema, list, name),
            ChangeId::Removed,
            Section::Removed,
        );
        assert_eq!(change.name, name);
        assert!(
            change.advice.contains("deprecated") && change.advice.contains("was"),
            "{change}"
        );
    }
}

#[test]
fn what_does_not_break_is_said_all_the_same() {
    compatible(
        |schema| item(schema, "keys", "rag.top_k")["brief"] = json!("How many."),
        ChangeId::Reworded,
    );
    compatible(
        |schema| item(schema, "keys", "rag.top_k")["content"] = json!(true),
        ChangeId::ContentChanged,
    );
    compatible(
        |schema| item(schema, "keys", "rag.top_k")["stability"] = json!("development"),
        ChangeId::StabilityChanged,
    );
    let deprecated = compatible(
        |schema| item(schema, "keys", "rag.top_k")["deprecated"] = json!("use another"),
        ChangeId::Deprecated,
    );
    assert_eq!(
        (deprecated.section, &*deprecated.advice),
        (Section::Deprecated, "use another")
    );
    compatible(
        |schema| {
            item(schema, "metrics", "faiss_wrap_search_results_count")["buckets"] =
                json!([0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        },
        ChangeId::BucketsChanged,
    );
    let wider = |schema: &mut Value| {
        let values =
            &mut item(schema, "metrics", "faiss_wrap_requests_total")["labels"][1]["values"];
        values["closed"]
            .as_array_mut()
            .unwrap()
            .push(json!("refused"));
    };
    compatible(wider, ChangeId::LabelValuesChanged);
    let stricter = |schema: &mut Value| {
        let attributes = &mut item(schema, "spans", "faiss.search")["attributes"];
        let mut all = attributes.as_array_mut().unwrap().iter_mut();
        all.find(|one| one["key"] == "faiss.query").unwrap()["presence"] = json!("start");
    };
    compatible(stricter, ChangeId::RequirementChanged);
    let added = registry::diff(&Schema::contract(), &merged());
    assert!(
        added
            .iter()
            .all(|change| change.id == ChangeId::Added && !change.breaking),
        "{added:#?}"
    );
    assert!(
        added
            .iter()
            .any(|change| change.name == "billing_charges_total")
    );
}

#[test]
fn a_renamed_key_span_metric_or_label_is_one_change_and_declared() {
    // The other way round: what is called so now was called so before.
    let old = edited(&merged(), |schema| {
        for (list, now, before) in [
            ("keys", "billing.amount", "billing.sum"),
            ("spans", "billing.charge", "billing.pay"),
            ("metrics", "billing_charges_total", "billing_payments_total"),
        ] {
            let item = item(schema, list, now);
            item["name"] = json!(before);
            item.as_object_mut().unwrap().remove("was");
        }
        let text = schema
            .to_string()
            .replace(r#"{"key":"billing.amount""#, r#"{"key":"billing.sum""#);
        *schema = serde_json::from_str(&text).unwrap();
        let label = &mut item(schema, "metrics", "billing_payments_total")["labels"][0];
        label["name"] = json!("coin");
        label.as_object_mut().unwrap().remove("was");
    });
    let changes = registry::diff(&old, &merged());
    assert!(
        changes.iter().all(|change| !change.undeclared),
        "{changes:#?}"
    );
    let renamed = changes
        .iter()
        .filter(|change| change.id == ChangeId::Renamed);
    assert_eq!(renamed.count(), 3, "{changes:#?}");
    assert!(
        one(&changes, ChangeId::LabelRenamed)
            .message
            .contains("coin")
    );
    assert_eq!(changes.len(), 4, "{changes:#?}");
}

#[test]
fn a_deprecated_name_may_go() {
    let changes = changed(|schema| {
        remove(schema, "keys", "billing.cheque");
        remove(schema, "metrics", "billing_charge_seconds");
        let attributes = item(schema, "spans", "billing.charge")["attributes"].as_array_mut();
        attributes
            .unwrap()
            .retain(|one| one["key"] != "billing.cheque");
    });
    assert_eq!(changes.len(), 3, "{changes:#?}");
    assert!(
        changes
            .iter()
            .all(|change| change.breaking && !change.undeclared),
        "{changes:#?}"
    );
    assert!(
        changes
            .iter()
            .all(|change| change.section == Section::Removed),
        "{changes:#?}"
    );
}

/// The team's schema, at this version, with or without the old name of a key.
fn at(version: &str, keeps_old_name: bool) -> Schema {
    edited(&own(), |schema| {
        schema["namespaces"][0]["version"] = json!(version);
        if !keeps_old_name {
            let key = item(schema, "keys", "billing.amount");
            key.as_object_mut().unwrap().remove("was");
        }
    })
}

#[test]
fn an_old_name_lasts_one_minor_version_and_not_two() {
    let old = own();
    // Renamed in 0.1.0.
    let early = registry::diff(&old, &at("0.1.7", false));
    assert!(one(&early, ChangeId::OldNameEnded).undeclared);
    let in_time = registry::diff(&old, &at("0.2.0", false));
    let ended = one(&in_time, ChangeId::OldNameEnded);
    assert!(ended.breaking && !ended.undeclared, "{ended}");

    assert_eq!(registry::overdue(&at("0.1.0", true)), []);
    assert_eq!(registry::overdue(&at("0.2.3", true)), []);
    let overdue = registry::overdue(&at("0.3.0", true));
    assert!(
        overdue.iter().any(|change| change.name == "billing.amount"),
        "{overdue:#?}"
    );
    assert!(overdue.iter().all(|change| change.id == ChangeId::Overdue));
    // Key, span, metric and label.
    assert_eq!(overdue.len(), 4, "{overdue:#?}");
    assert!(!registry::overdue(&at("1.1.0", true)).is_empty());
}

/// A folder of kept releases that goes away again.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("llasta-registry-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_team_keeps_its_promises_in_one_line() {
    let json = registry::json(&own());
    let good = Folder::with(&[("0.1.0.json", &json), ("notes.txt", "no schema")]);
    registry::keeps(&own(), &good, "0.1.0").unwrap();

    let reasons = |schema: &Schema, folder: &Folder, version: &str| -> String {
        let unkept = registry::keeps(schema, folder, version).unwrap_err();
        assert_eq!(format!("{unkept:?}"), unkept.to_string());
        unkept.to_string()
    };
    let missing = reasons(&own(), &good, "0.2.0");
    assert!(
        missing.contains("no 0.2.0.json yet") && missing.contains("registry::json"),
        "{missing}"
    );

    let renamed = edited(&own(), |schema| {
        item(schema, "keys", "billing.rate")["type"] = json!("int");
    });
    let broken = reasons(&renamed, &good, "0.1.0");
    assert!(
        broken.contains("since 0.1.0.json") && broken.contains("billing.rate"),
        "{broken}"
    );

    let grown = edited(&own(), |schema| {
        let mut key = item(schema, "keys", "billing.rate").clone();
        key["name"] = json!("billing.discount");
        let keys = schema["namespaces"][0]["keys"].as_array_mut().unwrap();
        keys.push(key);
    });
    let stale = reasons(&grown, &good, "0.1.0");
    assert!(
        stale.contains("0.1.0.json is stale") && stale.contains("billing.discount"),
        "{stale}"
    );
    assert!(stale.contains("schema export --format json"), "{stale}");

    let unreadable = Folder::with(&[("0.1.0.json", "{")]);
    assert!(reasons(&own(), &unreadable, "0.1.0").contains("0.1.0.json: this is no schema"));
    let overdue = at("0.3.0", true);
    let kept = Folder::with(&[("0.3.0.json", &registry::json(&overdue))]);
    assert!(reasons(&overdue, &kept, "0.3.0").contains("remove the `was`"));
}

#[test]
fn changes_come_with_the_heaviest_first_and_read_as_sentences() {
    let changes = changed(|schema| {
        item(schema, "keys", "llm.model")["brief"] = json!("The model.");
        item(schema, "keys", "rag.top_k")["type"] = json!("double");
        remove(schema, "metrics", "billing_charge_seconds");
    });
    let weights: Vec<_> = changes
        .iter()
        .map(|change| (change.undeclared, change.breaking))
        .collect();
    assert_eq!(weights, [(true, true), (false, true), (false, false)]);
    let text = changes[0].to_string();
    assert!(
        text.starts_with("breaking, undeclared: the attribute `rag.top_k` is of type double"),
        "{text}"
    );
    assert!(text.ends_with("(CHANGELOG: Schema, Changed)"), "{text}");
    let value = serde_json::to_value(&changes[0]).unwrap();
    assert_eq!(
        (&value["id"], &value["subject"]),
        (&json!("retyped"), &json!("key"))
    );
}
