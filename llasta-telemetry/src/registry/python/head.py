"""The telemetry schema, for services in Python.

Written by `llasta schema export --format python`: change the declarations, not this file. It needs
opentelemetry-api, and prometheus_client for the classes of metrics.

A span is a context manager. What is always there is an argument, what is known only at the end is
one of `finish`, and the rest are methods:

    with RagRetrieveContext(top_k=5, min_score=0.5) as span:
        span.query(question)

An exception that leaves the block fails the span. Attributes go out under OpenTelemetry's names too
(LLASTA_ATTRIBUTE_NAMES: both, llasta or otel), and content as LLASTA_CONTENT says: off, hash,
truncate(n) or full.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import (
    Any,
    Callable,
    Dict,
    Final,
    Iterable,
    Iterator,
    List,
    Literal,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
)

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

try:
    import prometheus_client
    from prometheus_client.registry import REGISTRY, CollectorRegistry
except ImportError:  # Spans and log lines need none of it.
    prometheus_client = None  # type: ignore[assignment]

ERROR_MESSAGE_CHARS: Final = 100
QUERY_CHARS: Final = 100


# ---------------------------------------------------------------------------------------------
# Settings


@dataclass
class Settings:
    """How attributes are written. Change `SETTINGS` before the first span."""

    names: str = "both"
    """`both`, `llasta` or `otel`."""
    content: Optional[str] = None
    """`off`, `hash`, `truncate(n)` or `full`; unset, queries keep 100 characters and messages all."""
    messages: bool = False
    """Whether prompts and completions may go onto spans."""

    @classmethod
    def from_environment(cls) -> "Settings":
        names = os.environ.get("LLASTA_ATTRIBUTE_NAMES", "both").strip() or "both"
        if names not in ("both", "llasta", "otel"):
            raise ValueError(f"LLASTA_ATTRIBUTE_NAMES: {names!r}: use both, llasta or otel")
        content = os.environ.get("LLASTA_CONTENT", "").strip() or None
        if content is not None and not re.fullmatch(r"off|hash|full|truncate\(\d+\)", content):
            raise ValueError(f"LLASTA_CONTENT: {content!r}: use off, hash, truncate(n) or full")
        where = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "")
        messages = where.strip().upper() in ("SPAN_ONLY", "SPAN_AND_EVENT")
        return cls(names=names, content=content, messages=messages)


SETTINGS = Settings.from_environment()


# ---------------------------------------------------------------------------------------------
# Attributes


@dataclass(frozen=True)
class Key:
    """What the schema says of an attribute, as far as writing it needs."""

    type: str
    content: bool = False
    twin: Optional[str] = None
    form: str = "same"
    was: Optional[str] = None


def _typed(kind: str, value: Any) -> Any:
    """The value in its declared type: backends compare strictly, 4 is not 4.0."""
    if kind == "int":
        return int(value)
    if kind == "double":
        return float(value)
    if kind == "boolean":
        return bool(value)
    if kind == "string[]":
        return [str(each) for each in value]
    return str(value)


def _kept(name: str, value: str) -> Optional[str]:
    """What of a piece of content may go out."""
    if name in MESSAGES and not SETTINGS.messages:
        return None
    capture = SETTINGS.content or ("full" if name in MESSAGES else f"truncate({QUERY_CHARS})")
    if capture == "off":
        return None
    if capture == "hash":
        digest = hashlib.sha256(value.encode()).hexdigest()
        return f"sha256:{digest} length:{len(value)}"
    if capture == "full":
        return value
    return value[: int(capture[len("truncate(") : -1])]


def attributes(name: str, value: Any) -> Iterator[Tuple[str, Any]]:
    """A declared attribute under every name that it goes by."""
    key = KEYS[name]
    value = _typed(key.type, value)
    if key.content:
        value = _kept(name, value)
        if value is None:
            return
    if key.twin is None or SETTINGS.names != "otel":
        yield name, value
        if key.was is not None:
            yield key.was, value
    if key.twin is None or SETTINGS.names == "llasta":
        return
    if key.form == "list_of_one":
        yield key.twin, [value]
    elif key.form != "when_true" or value is True:
        yield key.twin, value


# ---------------------------------------------------------------------------------------------
# Spans

_Self = TypeVar("_Self", bound="SchemaSpan")


class SchemaSpan:
    """A span of the schema, which is current while its block runs."""

    NAME: str = ""
    KIND: SpanKind = SpanKind.INTERNAL
    FIXED: Tuple[Tuple[str, str], ...] = ()
    """Attributes of fixed value, under OpenTelemetry's names."""
    END: Tuple[str, ...] = ()
    """What `finish` sets; without it these are zero, false or nothing."""

    span: Span

    def __init__(
        self,
        start: Iterable[Tuple[str, Any]],
        tracer: Optional[Tracer] = None,
        name: Optional[str] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        self._name = name or self.NAME
        self._start = tuple(start)
        self._tracer = tracer
        self._parent = parent
        self._finished = False
        self.failed = False
        self._token: Any = None

    def __enter__(self: _Self) -> _Self:
        pairs: Dict[str, Any] = {}
        for name, value in self._start:
            pairs.update(attributes(name, value))
        if SETTINGS.names != "llasta":
            pairs.update(self.FIXED)
        tracer = self._tracer or trace.get_tracer("llasta", SCHEMA_VERSION)
        self.span = tracer.start_span(
            self._name, context=self._parent, kind=self.KIND, attributes=pairs
        )
        self._token = context.attach(trace.set_span_in_context(self.span, self._parent))
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if error is not None:
            self.fail(type(error).__name__, str(error))
        if not self._finished:
            for name in self.END:
                self.set(name, _NOTHING[KEYS[name].type])
        context.detach(self._token)
        self.span.end()

    def set(self: _Self, name: str, value: Any) -> _Self:
        """Sets a declared attribute. The methods of each span do this with its type."""
        for key, each in attributes(name, value):
            self.span.set_attribute(key, each)
        return self

    def rename(self: _Self, name: str) -> _Self:
        """For a name that is known only now, such as that of a route."""
        self.span.update_name(name)
        return self

    def fail(self: _Self, error_type: str, message: str = "") -> _Self:
        """Marks the span as failed. `error_type` is a word of low cardinality."""
        self.failed = True
        self.span.set_status(Status(StatusCode.ERROR))
        self.span.set_attribute("error.type", error_type)
        if message:
            self.span.set_attribute("error.message", message[:ERROR_MESSAGE_CHARS])
        return self

    def _finish(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.set(name, value)
        self._finished = True


_NOTHING: Final[Mapping[str, Any]] = {
    "int": 0,
    "double": 0.0,
    "boolean": False,
    "string": "",
    "string[]": (),
}


# ---------------------------------------------------------------------------------------------
# Metrics


def _exemplar() -> Optional[Dict[str, str]]:
    """The ids of the current span, when it is sampled."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid or not current.trace_flags.sampled:
        return None
    return {
        "trace_id": format(current.trace_id, "032x"),
        "span_id": format(current.span_id, "016x"),
    }


class CounterSeries:
    """One series of a counter."""

    def __init__(self, children: Sequence[Any]) -> None:
        self._children = children

    def inc(self, amount: float = 1) -> None:
        for child in self._children:
            child.inc(amount, _exemplar())


class GaugeSeries:
    """One series of a gauge."""

    def __init__(self, children: Sequence[Any]) -> None:
        self._children = children

    def inc(self, amount: float = 1) -> None:
        for child in self._children:
            child.inc(amount)

    def dec(self, amount: float = 1) -> None:
        for child in self._children:
            child.dec(amount)

    def set(self, value: float) -> None:
        for child in self._children:
            child.set(value)

    def follow(self, value: Callable[[], float]) -> None:
        """Asks for the value at each scrape."""
        for child in self._children:
            child.set_function(value)


class HistogramSeries:
    """One series of a histogram."""

    def __init__(self, children: Sequence[Any]) -> None:
        self._children = children

    def observe(self, value: float) -> None:
        for child in self._children:
            child.observe(value, _exemplar())


@dataclass(frozen=True)
class Label:
    """A label: its name, the one before, and its values when they are a closed set."""

    name: str
    values: Optional[Tuple[str, ...]] = None
    was: Optional[str] = None


class _Family:
    """A metric, under each name that it goes by. Every series of closed labels exists from the start."""

    def __init__(
        self,
        registry: Optional["CollectorRegistry"],
        instrument: str,
        names: Sequence[str],
        brief: str,
        labels: Sequence[Label] = (),
        buckets: Sequence[float] = (),
        unit: str = "",
    ) -> None:
        if prometheus_client is None:
            raise RuntimeError("metrics need prometheus_client: pip install prometheus_client")
        # When a series began is no metric of the schema's.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._labels = labels
        columns: List[str] = []
        for label in labels:
            columns.extend([label.name] if label.was is None else [label.name, label.was])
        make: Any = {
            "counter": prometheus_client.Counter,
            "gauge": prometheus_client.Gauge,
            "histogram": prometheus_client.Histogram,
        }[instrument]
        more = {"buckets": tuple(buckets)} if instrument == "histogram" else {}
        where = REGISTRY if registry is None else registry
        self._families = [
            make(name, brief, columns, registry=where, unit=unit, **more) for name in names
        ]
        if all(label.values is not None for label in labels):
            for values in itertools.product(*(label.values or () for label in labels)):
                self.children(values)

    def children(self, values: Sequence[str]) -> List[Any]:
        row: List[str] = []
        for label, value in zip(self._labels, values):
            if label.values is not None and value not in label.values:
                raise ValueError(f"{label.name}={value!r}: use one of {', '.join(label.values)}")
            row.extend([value] if label.was is None else [value, value])
        return [family.labels(*row) if row else family for family in self._families]


# ---------------------------------------------------------------------------------------------
# Log lines

_LEVELS: Final[Mapping[str, str]] = {
    "WARNING": "WARN",
    "CRITICAL": "ERROR",
    "FATAL": "ERROR",
    "NOTSET": "TRACE",
}


def log_line(
    service: str,
    level: str,
    target: str,
    message: str,
    fields: Optional[Mapping[str, Any]] = None,
) -> str:
    """One line of the log, with the ids of the current span, and then the event's own fields."""
    now = datetime.now(timezone.utc)
    line: Dict[str, Any] = {
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z",
        "level": _LEVELS.get(level, level),
        "target": target,
        "message": message,
        "service.name": service,
    }
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        line["trace_id"] = format(current.trace_id, "032x")
        line["span_id"] = format(current.span_id, "016x")
    for name, value in (fields or {}).items():
        line.setdefault(name, value)
    return json.dumps(line, ensure_ascii=False, default=str)


class JsonFormatter(logging.Formatter):
    """Writes the records of `logging` as log lines. `extra={"fields": {…}}` adds fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "fields", None) or {})
        if record.exc_info and record.exc_info[0] is not None:
            fields.setdefault("error", f"{record.exc_info[0].__name__}: {record.exc_info[1]}")
        return log_line(self._service, record.levelname, record.name or "root", record.getMessage(), fields)
