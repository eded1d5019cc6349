//! What a declaration consists of.

use std::marker::PhantomData;

/// The type of an attribute's value. Backends compare strictly: an int never equals a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// A signed 64-bit integer.
    Int,
    /// A 64-bit float.
    Double,
    /// Text.
    String,
    /// True or false.
    Bool,
    /// A list of texts.
    Strings,
}

impl AttributeType {
    /// The name the contract and OpenTelemetry use: `int`, `double`, `string`, `boolean`, `string[]`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Double => "double",
            Self::String => "string",
            Self::Bool => "boolean",
            Self::Strings => "string[]",
        }
    }
}

/// How firmly a name is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stability {
    /// Renaming it is a breaking change.
    Stable,
    /// May be renamed by those who define it.
    Development,
}

/// Everything there is to say about an attribute key.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyDef {
    /// The name on the wire, such as `rag.top_k`.
    pub name: &'static str,
    /// The type of its values.
    pub ty: AttributeType,
    /// One sentence for people.
    pub brief: &'static str,
    /// The unit of its values in UCUM notation, where they have one.
    pub unit: Option<&'static str>,
    /// How firmly the name is promised.
    pub stability: Stability,
    /// Whether values are what people wrote, and so subject to the capture policy.
    pub content: bool,
    /// The OpenTelemetry name that says the same.
    pub twin: Option<&'static TwinDef>,
    /// Values as they occur.
    pub examples: &'static [&'static str],
    /// The name it had before, which is emitted beside it.
    pub was: Option<Was>,
    /// What to use instead, when it should no longer be used.
    pub deprecated: Option<&'static str>,
}

/// The name that something had before. Dashboards and alerts that still ask for it keep working for
/// one minor version: keys, metrics and labels are emitted under both names. A span is not, since two
/// would count the work twice; the check takes either name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Was {
    /// The old name.
    pub name: &'static str,
    /// The version that renamed it, such as `0.2.0`.
    pub since: &'static str,
}

/// An attribute key whose values are of type `T`.
pub struct Key<T: ?Sized> {
    def: &'static KeyDef,
    values: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized> Key<T> {
    /// A key with the given definition. [`schema!`](crate::schema!) calls it.
    pub const fn new(def: &'static KeyDef) -> Self {
        Self {
            def,
            values: PhantomData,
        }
    }

    /// What the schema says of this key.
    pub const fn def(&self) -> &'static KeyDef {
        self.def
    }

    /// The name on the wire.
    pub const fn name(&self) -> &'static str {
        self.def.name
    }
}

/// A key where a type is written: [`schema!`](crate::schema!) makes one of the key's own name, which
/// spans list.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key",
    label = "this is not declared in the `keys` of a schema",
    note = "declare it in `keys {{ … }}`, or write the path of a key of another module"
)]
pub trait KeyType {
    /// The type of its values.
    type Value: ?Sized;
    /// What the schema says of it.
    const DEF: &'static KeyDef;
}

/// The type of a key's values.
#[doc(hidden)]
pub type ValueOf<K> = <K as KeyType>::Value;

impl<T: ?Sized> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Key<T> {}

impl<T: ?Sized> std::fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.def.name)
    }
}

/// The value type of a key that holds a list of texts.
#[derive(Debug)]
pub enum Strings {}

/// An attribute of OpenTelemetry's that says the same as one of ours.
#[derive(Debug, PartialEq, Eq)]
pub struct TwinDef {
    /// The other name.
    pub key: &'static KeyDef,
    /// How our value becomes theirs.
    pub form: TwinForm,
}

/// How a value is written under its other name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwinForm {
    /// As it is.
    Same,
    /// Only when it is true.
    WhenTrue,
    /// As a list of one.
    ListOfOne,
}

/// When an attribute of a span is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Always there, known when the span starts.
    Start,
    /// Always there, known when the span ends.
    End,
    /// There when it applies.
    Optional,
}

/// The kind of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Work inside a service.
    Internal,
    /// A request being answered.
    Server,
    /// A request being made.
    Client,
}

impl Kind {
    /// The name in capitals, as waterfalls print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "INTERNAL",
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
        }
    }
}

/// What a span may stand under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parent {
    /// Nothing: it begins a trace.
    Root,
    /// Any SERVER span.
    Server,
    /// Any CLIENT span.
    Client,
    /// The span of this name.
    Span(&'static str),
}

/// Everything there is to say about a span.
#[derive(Debug)]
pub struct SpanDef {
    /// Its name; HTTP spans have a pattern in braces instead.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// One sentence for people.
    pub brief: &'static str,
    /// What it may stand under; empty when anything goes.
    pub parents: &'static [Parent],
    /// Its attributes, the always present ones first.
    pub attributes: &'static [(&'static KeyDef, Presence)],
    /// Attributes of fixed value that go with it under OpenTelemetry's names.
    pub twins: &'static [(&'static KeyDef, &'static str)],
    /// The name it had before.
    pub was: Option<Was>,
    /// What to use instead, when it should no longer be used.
    pub deprecated: Option<&'static str>,
}

/// The instrument behind a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instrument {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

impl Instrument {
    /// The word on Prometheus' TYPE line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Everything there is to say about a metric.
#[derive(Debug)]
pub struct MetricDef {
    /// Its name on `/metrics`.
    pub name: &'static str,
    /// Its instrument.
    pub instrument: Instrument,
    /// The HELP line.
    pub brief: &'static str,
    /// Its unit in UCUM notation, where it has one.
    pub unit: Option<&'static str>,
    /// Its labels, in the order of the page.
    pub labels: &'static [LabelDef],
    /// Upper bounds of a histogram's buckets, rising, without infinity.
    pub buckets: &'static [f64],
    /// The name it had before, which is emitted beside it.
    pub was: Option<Was>,
    /// What to use instead, when it should no longer be used.
    pub deprecated: Option<&'static str>,
}

impl MetricDef {
    /// Prometheus' word for the unit, such as `seconds`. OpenMetrics wants it only where `name`, the
    /// metric's own or the one it had before, ends in it.
    pub(crate) fn unit_word(&self, name: &str) -> Option<&'static str> {
        let word = match self.unit? {
            "s" => "seconds",
            "By" => "bytes",
            "1" => "ratio",
            _ => return None,
        };
        let family = match self.instrument {
            Instrument::Counter => name.strip_suffix("_total").unwrap_or(name),
            Instrument::Gauge | Instrument::Histogram => name,
        };
        family.strip_suffix(word)?.ends_with('_').then_some(word)
    }
}

/// One label of a metric.
#[derive(Debug, Clone, Copy)]
pub struct LabelDef {
    /// Its name.
    pub name: &'static str,
    /// The values it takes.
    pub values: LabelValues,
    /// The name it had before, which is emitted beside it.
    pub was: Option<Was>,
}

/// The values a label takes.
#[derive(Debug, Clone, Copy)]
pub enum LabelValues {
    /// One of these, and nothing else compiles.
    Closed(&'static [&'static str]),
    /// A text from the service's own configuration, never from outside. Bounded in number.
    Text,
}

/// The label type for [`LabelValues::Text`].
#[derive(Debug)]
pub enum Text {}

impl Text {
    /// What a metric's definition says of such a label.
    pub const VALUES: LabelValues = LabelValues::Text;
}

/// A closed set of label values: derive it on a fieldless enum.
///
/// ```
/// use llasta_telemetry::schema::LabelSet;
///
/// #[derive(Clone, Copy, LabelSet)]
/// enum Tier {
///     Free,
///     #[label("pro+")]
///     ProPlus,
/// }
/// assert_eq!(Tier::VALUES, ["free", "pro+"]);
/// assert_eq!(Tier::ProPlus.text(), "pro+");
/// ```
pub trait LabelSet: Copy + 'static {
    /// Every value, in the order of the variants.
    const VALUES: &'static [&'static str];

    /// The place of this value in [`VALUES`](Self::VALUES).
    fn index(self) -> usize;

    /// This value as it appears on the page.
    fn text(self) -> &'static str {
        Self::VALUES[self.index()]
    }
}

pub use llasta_telemetry_macros::LabelSet;

/// What one declaration holds.
#[derive(Debug)]
pub struct Namespace {
    /// Its name; attribute names that begin with it and a dot are its own.
    pub name: &'static str,
    /// One sentence for people.
    pub brief: &'static str,
    /// Whether others define these names and we only use them.
    pub foreign: bool,
    /// Its keys.
    pub keys: &'static [&'static KeyDef],
    /// Its spans.
    pub spans: &'static [&'static SpanDef],
    /// Its metrics, in blocks.
    pub metrics: &'static [&'static [MetricDef]],
    /// Whose metrics these are.
    pub owner: Owner,
    /// The version of the crate that declares it.
    pub version: &'static str,
    /// Where it is declared, for messages about clashes.
    pub declared_at: &'static str,
}

/// Which service has the metrics of a namespace. A check expects them on its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Any service may have them; none must.
    Anyone,
    /// Every service has them.
    Everyone,
    /// The service of this name has them.
    Service(&'static str),
}
