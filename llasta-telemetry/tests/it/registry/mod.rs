//! A schema as data: written, read back, compared.

mod evolution;
mod json;
mod json_schema;
mod python;
mod reference;
mod weaver;

use std::path::{Path, PathBuf};

use llasta_telemetry::registry;
use llasta_telemetry::schema::Schema;
use serde_json::Value;

/// A team's own declarations.
pub(crate) mod billing {
    use llasta_telemetry::schema::{LabelSet, Text, http, rag, twins};

    #[allow(dead_code, reason = "the schema lists the values, nobody counts")]
    #[derive(Clone, Copy, LabelSet)]
    pub(crate) enum Currency {
        Eur,
        Usd,
    }

    llasta_telemetry::schema! {
        /// Money.
        namespace billing of "till";

        keys {
            /// What is due, in cents.
            AMOUNT: "billing.amount" => i64 { unit: "{cent}", was: "billing.sum" since "0.1.0", example: "499" },
            /// Who pays.
            PAYER: "billing.payer" => str { content, twin: twins::RETRIEVAL_QUERY, example: "A. Person" },
            /// How it was paid once.
            CHEQUE: "billing.cheque" => bool { deprecated: "nobody takes cheques any more", example: "false" },
            /// What it was for.
            ITEMS: "billing.items" => Strings { development, example: "tea" },
            /// The rate.
            RATE: "billing.rate" => f64 { example: "1.5" },
        }

        spans {
            /// One charge.
            Charge: "billing.charge" internal under server, "rag.retrieve_context" {
                start: AMOUNT;
                end: RATE;
                optional: PAYER, CHEQUE, ITEMS, rag::TOP_K, http::ERROR_TYPE;
                was: "billing.pay" since "0.1.0";
            }
        }

        metrics BillingMetrics {
            /// Charges.
            counter charges: "billing_charges_total" { currency: Currency was "coin" since "0.1.0", tariff: Text } was("billing_payments_total" since "0.1.0"),
            /// Seconds of one charge.
            histogram seconds: "billing_charge_seconds" buckets(&[0.1, 1.0]) unit("s") deprecated("nobody waits"),
        }
    }
}

/// The contract, and a team's own.
pub(crate) fn merged() -> Schema {
    let mut schema = Schema::contract();
    schema.add(&billing::NAMESPACE).unwrap();
    schema
}

/// Only a team's own.
pub(crate) fn own() -> Schema {
    let mut schema = Schema::new();
    schema.add(&billing::NAMESPACE).unwrap();
    schema
}

/// A schema with something different in its JSON.
pub(crate) fn edited(schema: &Schema, edit: impl FnOnce(&mut Value)) -> Schema {
    let mut value: Value = serde_json::from_str(&registry::json(schema)).unwrap();
    edit(&mut value);
    registry::read(&value.to_string()).unwrap()
}

/// The item of this name in a list of a namespace: `("keys", "rag.top_k")`.
pub(crate) fn item<'a>(schema: &'a mut Value, list: &str, name: &str) -> &'a mut Value {
    let namespaces = schema["namespaces"].as_array_mut().unwrap();
    let items = namespaces
        .iter_mut()
        .filter_map(|namespace| namespace.get_mut(list)?.as_array_mut())
        .flatten();
    let mut found = items.filter(|item| item["name"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// Takes the item of this name out.
pub(crate) fn remove(schema: &mut Value, list: &str, name: &str) {
    for namespace in schema["namespaces"].as_array_mut().unwrap() {
        if let Some(items) = namespace.get_mut(list).and_then(Value::as_array_mut) {
            items.retain(|item| item["name"] != name);
        }
    }
}

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of the repository; `None` where the crate stands alone.
fn in_repository(path: &str) -> Option<PathBuf> {
    let root = crate_folder().parent()?;
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    manifest.contains("[workspace]").then(|| root.join(path))
}
