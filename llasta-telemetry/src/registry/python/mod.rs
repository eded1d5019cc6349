//! A module for services in Python: constants, spans as context managers, metrics, log lines.
//!
//! What does not depend on the schema is `head.py`, Python as it is; the rest is written behind it.

use std::collections::BTreeSet;

use super::{borrowed, spans_of, version};
use crate::schema::{
    AttributeType, Instrument, KeyDef, Kind, LabelDef, LabelValues, MetricDef, Namespace, Presence,
    Schema, SpanDef, TwinForm, llm, otel,
};

const HEAD: &str = include_str!("head.py");
const LINE: &str = "# ---------------------------------------------------------------------------------------------";

/// Writes one Python module with the schema's names as constants, a class for each span and one
/// for the metrics of each namespace. Types, twins, content and failures are handled as this crate
/// handles them. Needs Python 3.9 or newer and opentelemetry-api; the metrics, `prometheus_client`.
pub fn python(schema: &Schema) -> String {
    let mut module = HEAD.to_owned();
    section(&mut module, "The names");
    module += &format!("SCHEMA_VERSION: Final = {}\n\n", quoted(version(schema)));
    let others = borrowed(schema);
    let keys: Vec<_> = schema.keys().chain(others).collect();
    for key in &keys {
        module += &format!("{}: Final = {}\n", constant("", key.name), quoted(key.name));
    }
    module.push('\n');
    for span in schema.spans().filter(|span| !is_pattern(span)) {
        module += &format!(
            "{}: Final = {}\n",
            constant("SPAN_", span.name),
            quoted(span.name)
        );
    }
    module.push('\n');
    for metric in schema.metrics() {
        module += &format!(
            "{}: Final = {}\n",
            constant("METRIC_", metric.name),
            quoted(metric.name)
        );
    }
    module += "\nKEYS: Final[Mapping[str, Key]] = {\n";
    for key in &keys {
        module += &format!("    {}: {},\n", quoted(key.name), key_entry(key));
    }
    module += "}\n\nMESSAGES: Final = frozenset(\n    (\n";
    for key in [
        llm::INPUT_MESSAGES,
        llm::OUTPUT_MESSAGES,
        otel::INPUT_MESSAGES,
        otel::OUTPUT_MESSAGES,
    ] {
        module += &format!("        {},\n", quoted(key.name()));
    }
    module += "    )\n)\n\"\"\"Content that is a prompt or a completion.\"\"\"\n";

    section(&mut module, "The spans");
    for namespace in schema.namespaces() {
        for span in spans_of(schema, namespace) {
            module += &span_class(schema, namespace, span);
        }
    }
    section(&mut module, "The metrics");
    for namespace in schema.namespaces() {
        // The libraries that name such metrics bring them.
        if !namespace.foreign && !namespace.metrics.is_empty() {
            module += &metrics_class(namespace);
        }
    }
    module.truncate(module.trim_end().len());
    module + "\n"
}

fn section(module: &mut String, title: &str) {
    module.truncate(module.trim_end().len());
    *module += &format!("\n\n\n{LINE}\n# {title}\n\n");
}

/// A text as Python writes it; JSON's escapes are Python's too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text inside of a docstring.
fn doc(text: &str) -> String {
    text.replace('\\', "\\\\").replace("\"\"\"", "'''")
}

fn constant(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", identifier(name).to_ascii_uppercase())
}

/// `rag.top_k` is `rag_top_k`.
fn identifier(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

/// A name that Python does not use itself.
fn free(name: String) -> String {
    /// The language's own words, and those of the class.
    const TAKEN: &[&str] = &[
        "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
        "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
        "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with",
        "yield", "fail", "finish", "name", "parent", "rename", "self", "set", "span", "tracer",
    ];
    if TAKEN.contains(&name.as_str()) || name.starts_with(|letter: char| letter.is_ascii_digit()) {
        format!("{name}_")
    } else {
        name
    }
}

fn key_entry(key: &KeyDef) -> String {
    let mut fields = vec![quoted(key.ty.name())];
    if key.content {
        fields.push("content=True".to_owned());
    }
    if let Some(twin) = key.twin {
        fields.push(format!("twin={}", quoted(twin.key.name)));
        match twin.form {
            TwinForm::Same => {}
            TwinForm::WhenTrue => fields.push("form=\"when_true\"".to_owned()),
            TwinForm::ListOfOne => fields.push("form=\"list_of_one\"".to_owned()),
        }
    }
    if let Some(was) = key.was {
        fields.push(format!("was={}", quoted(was.name)));
    }
    format!("Key({})", fields.join(", "))
}

fn hint(ty: AttributeType) -> &'static str {
    match ty {
        AttributeType::Int => "int",
        AttributeType::Double => "float",
        AttributeType::String => "str",
        AttributeType::Bool => "bool",
        AttributeType::Strings => "Sequence[str]",
    }
}

fn is_pattern(span: &SpanDef) -> bool {
    span.name.contains('{')
}

/// `faiss.embed_query` is `FaissEmbedQuery`.
fn camel(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

/// What the attributes of a span are called: without their namespace where it is one of ours and
/// nothing else is called so.
struct Arguments {
    all: Vec<(&'static KeyDef, Presence, String)>,
}

impl Arguments {
    fn of(schema: &Schema, span: &SpanDef) -> Self {
        let short = |key: &KeyDef| {
            let after = key
                .name
                .split_once('.')
                .map_or(key.name, |(_, after)| after);
            identifier(if schema.owns(key.name) {
                after
            } else {
                key.name
            })
        };
        let mut names: Vec<_> = span.attributes.iter().map(|(key, _)| short(key)).collect();
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<_> = names
            .iter()
            .filter(|name| !seen.insert((*name).clone()))
            .cloned()
            .collect();
        for (name, (key, _)) in names.iter_mut().zip(span.attributes) {
            if twice.contains(name) {
                *name = identifier(key.name);
            }
        }
        let all = span.attributes.iter().zip(names);
        Self {
            all: all
                .map(|((key, presence), name)| (*key, *presence, free(name)))
                .collect(),
        }
    }

    fn that_are(&self, presence: Presence) -> Vec<(&'static KeyDef, &str)> {
        let all = self.all.iter().filter(|(_, other, _)| *other == presence);
        all.map(|(key, _, name)| (*key, name.as_str())).collect()
    }
}

fn span_class(schema: &Schema, namespace: &Namespace, span: &SpanDef) -> String {
    let (kind, title) = match span.kind {
        Kind::Internal => ("INTERNAL", "Internal"),
        Kind::Server => ("SERVER", "Server"),
        Kind::Client => ("CLIENT", "Client"),
    };
    let class = if is_pattern(span) {
        format!("{}{title}", camel(namespace.name))
    } else {
        camel(span.name)
    };
    let arguments = Arguments::of(schema, span);
    let (start, end) = (
        arguments.that_are(Presence::Start),
        arguments.that_are(Presence::End),
    );
    let mut text = format!(
        "\nclass {class}(SchemaSpan):\n    \"\"\"`{}`: {}\"\"\"\n\n",
        doc(span.name),
        doc(span.brief)
    );
    if !is_pattern(span) {
        text += &format!("    NAME = {}\n", quoted(span.name));
    }
    text += &format!("    KIND = SpanKind.{kind}\n");
    if !span.twins.is_empty() {
        let pairs: Vec<_> = span
            .twins
            .iter()
            .map(|(key, value)| format!("({}, {})", quoted(key.name), quoted(value)))
            .collect();
        text += &format!("    FIXED = ({},)\n", pairs.join(", "));
    }
    if !end.is_empty() {
        let names: Vec<_> = end.iter().map(|(key, _)| quoted(key.name)).collect();
        text += &format!("    END = ({},)\n", names.join(", "));
    }

    text += "\n    def __init__(\n        self,\n";
    if is_pattern(span) {
        text += "        name: str,\n";
    }
    text += "        *,\n";
    for (key, name) in &start {
        text += &format!("        {name}: {},\n", hint(key.ty));
    }
    text += "        tracer: Optional[Tracer] = None,\n        parent: Optional[context.Context] = None,\n    ) -> None:\n";
    let pairs: Vec<_> = start
        .iter()
        .map(|(key, name)| format!("({}, {name}),", quoted(key.name)))
        .collect();
    let name = if is_pattern(span) { "name" } else { "None" };
    text += &format!(
        "        super().__init__(({}), tracer, {name}, parent)\n",
        pairs.join(" ")
    );

    for (key, name) in arguments.that_are(Presence::Optional) {
        text += &format!(
            "\n    def {name}(self, value: {}) -> \"{class}\":\n        \"\"\"{}\"\"\"\n        return self.set({}, value)\n",
            hint(key.ty),
            doc(key.brief),
            quoted(key.name)
        );
    }
    if !end.is_empty() {
        let (mut parameters, mut values) = (String::new(), String::new());
        for (key, name) in &end {
            parameters += &format!(", {name}: {}", hint(key.ty));
            values += &format!("{}: {name}, ", quoted(key.name));
        }
        text += &format!(
            "\n    def finish(self, *{parameters}) -> None:\n        \"\"\"What is known only at the end; the block ends the span.\"\"\"\n        self._finish({{{}}})\n",
            values.trim_end_matches(", ")
        );
    }
    text + "\n"
}

fn metrics_class(namespace: &Namespace) -> String {
    let class = format!("{}Metrics", camel(namespace.name));
    let metrics: Vec<_> = namespace.metrics.iter().copied().flatten().collect();
    let mut text = format!(
        "\nclass {class}:\n    \"\"\"{}\"\"\"\n\n    def __init__(self, registry: Optional[\"CollectorRegistry\"] = None) -> None:\n",
        doc(namespace.brief)
    );
    for metric in &metrics {
        text += &family(namespace, metric);
    }
    for metric in &metrics {
        text += &series(namespace, metric);
    }
    text + "\n"
}

/// `faiss_wrap_requests_total` is `requests`.
fn attribute(namespace: &Namespace, metric: &MetricDef) -> String {
    let name = metric.name.strip_prefix(namespace.name);
    let name = name.and_then(|name| name.strip_prefix('_'));
    let name = name.unwrap_or(metric.name);
    let bare = name.strip_suffix("_total").unwrap_or(name);
    free(identifier(bare))
}

fn family(namespace: &Namespace, metric: &MetricDef) -> String {
    let mut names = vec![quoted(metric.name)];
    names.extend(metric.was.map(|was| quoted(was.name)));
    let mut text = format!(
        "        self._{} = _Family(\n            registry,\n            {},\n            ({},),\n            {},\n",
        attribute(namespace, metric),
        quoted(metric.instrument.name()),
        names.join(", "),
        quoted(metric.brief)
    );
    if !metric.labels.is_empty() {
        let labels: Vec<_> = metric.labels.iter().map(label).collect();
        text += &format!("            labels=({},),\n", labels.join(", "));
    }
    if metric.instrument == Instrument::Histogram {
        let bounds: Vec<_> = metric
            .buckets
            .iter()
            .map(|bound| format!("{bound:?}"))
            .collect();
        text += &format!("            buckets=({},),\n", bounds.join(", "));
    }
    if let Some(unit) = unit(metric) {
        text += &format!("            unit={},\n", quoted(unit));
    }
    text + "        )\n"
}

/// The unit in OpenMetrics' words, which have to end the name and the one before it.
fn unit(metric: &MetricDef) -> Option<&'static str> {
    if let Some(was) = metric.was {
        metric.unit_word(was.name)?;
    }
    metric.unit_word(metric.name)
}

fn label(label: &LabelDef) -> String {
    let mut fields = vec![quoted(label.name)];
    if let LabelValues::Closed(values) = label.values {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        fields.push(format!("({},)", values.join(", ")));
    }
    if let Some(was) = label.was {
        fields.push(format!("was={}", quoted(was.name)));
    }
    format!("Label({})", fields.join(", "))
}

fn series(namespace: &Namespace, metric: &MetricDef) -> String {
    let class = match metric.instrument {
        Instrument::Counter => "CounterSeries",
        Instrument::Gauge => "GaugeSeries",
        Instrument::Histogram => "HistogramSeries",
    };
    let (mut parameters, mut values) = (String::new(), String::new());
    for label in metric.labels {
        let name = free(identifier(label.name));
        let hint = match label.values {
            LabelValues::Text => "str".to_owned(),
            LabelValues::Closed(values) => {
                let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
                format!("Literal[{}]", values.join(", "))
            }
        };
        parameters += &format!(", {name}: {hint}");
        values += &format!("{name}, ");
    }
    if !parameters.is_empty() {
        parameters.insert_str(0, ", *");
    }
    format!(
        "\n    def {0}(self{parameters}) -> {class}:\n        \"\"\"`{1}`: {2}\"\"\"\n        return {class}(self._{0}.children(({values})))\n",
        attribute(namespace, metric),
        metric.name,
        doc(metric.brief)
    )
}
