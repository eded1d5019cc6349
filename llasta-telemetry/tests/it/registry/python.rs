use llasta_telemetry::registry;
use llasta_telemetry::schema::Schema;

use super::{in_repository, merged, own};

const COMMAND: &str =
    "cargo run -p llasta-rag -- schema export --format python --output benches/python/";

#[test]
fn the_module_of_the_python_service_is_as_the_declarations_say() {
    let Some(path) = in_repository("benches/python/llasta_schema.py") else {
        println!("not checked: the crate stands alone");
        return;
    };
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == registry::python(&Schema::contract()),
        "benches/python/llasta_schema.py is stale: run `{COMMAND}`"
    );
}

#[test]
fn every_name_is_a_constant_every_span_a_class_and_every_metric_a_method() {
    let schema = merged();
    let module = registry::python(&schema);
    for key in schema.keys() {
        assert!(
            module.contains(&format!(": Final = \"{}\"\n", key.name)),
            "{}",
            key.name
        );
        assert!(
            module.contains(&format!("    \"{}\": Key(\"{}\"", key.name, key.ty.name())),
            "{}",
            key.name
        );
    }
    for span in schema.spans().filter(|span| !span.name.contains('{')) {
        assert!(
            module.contains(&format!("    NAME = \"{}\"\n", span.name)),
            "{}",
            span.name
        );
    }
    for namespace in schema
        .namespaces()
        .iter()
        .filter(|namespace| !namespace.foreign)
    {
        for metric in namespace.metrics.iter().copied().flatten() {
            assert!(
                module.contains(&format!("\"\"\"`{}`: ", metric.name)),
                "{}",
                metric.name
            );
        }
    }
    assert!(module.contains("class HttpServer(SchemaSpan):"));
    assert!(module.contains("class RagRetrieveContext(SchemaSpan):"));
}

#[test]
fn twins_old_names_and_closed_sets_are_in_the_module() {
    let module = registry::python(&own());
    for words in [
        r#""billing.amount": Key("int", was="billing.sum"),"#,
        r#""billing.payer": Key("string", content=True, twin="gen_ai.retrieval.query.text"),"#,
        r#"Label("currency", ("eur", "usd",), was="coin"), Label("tariff")"#,
        r#"("billing_charges_total", "billing_payments_total",)"#,
        r#"def charges(self, *, currency: Literal["eur", "usd"], tariff: str) -> CounterSeries:"#,
        "buckets=(0.1, 1.0,),",
        // What is borrowed can be set too.
        r#""rag.top_k": Key("int", twin="gen_ai.retrieval.top_k"),"#,
    ] {
        assert!(module.contains(words), "no {words}");
    }
    let charge = module
        .split("class BillingCharge(SchemaSpan):")
        .nth(1)
        .unwrap();
    assert!(
        charge.contains("        *,\n        amount: int,\n"),
        "{charge}"
    );
    assert!(
        charge.contains("def finish(self, *, rate: float) -> None:"),
        "{charge}"
    );
    assert!(charge.contains("def payer(self, value: str)"), "{charge}");
}

#[test]
fn python_compiles_the_module() {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let program = "import ast, sys; ast.parse(sys.stdin.read())";
    for schema in [Schema::contract(), merged(), own()] {
        let started = Command::new("python3")
            .args(["-c", program])
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut python) = started else {
            println!("not checked: there is no python3");
            return;
        };
        let mut input = python.stdin.take().unwrap();
        input
            .write_all(registry::python(&schema).as_bytes())
            .unwrap();
        drop(input);
        assert!(python.wait().unwrap().success());
    }
}
