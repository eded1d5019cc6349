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


# ---------------------------------------------------------------------------------------------
# The names

SCHEMA_VERSION: Final = "0.1.0"

DB_OPERATION_NAME: Final = "db.operation.name"
DB_RESPONSE_RETURNED_ROWS: Final = "db.response.returned_rows"
DB_SYSTEM_NAME: Final = "db.system.name"
EMBEDDING_DIMENSION: Final = "embedding.dimension"
EMBEDDING_MODEL: Final = "embedding.model"
EMBEDDING_TEXT_LENGTH: Final = "embedding.text_length"
ERROR_MESSAGE: Final = "error.message"
ERROR_TYPE: Final = "error.type"
FAISS_DEVICE: Final = "faiss.device"
FAISS_INDEX_SIZE: Final = "faiss.index_size"
FAISS_INDEX_TYPE: Final = "faiss.index_type"
FAISS_QUERY: Final = "faiss.query"
FAISS_RAW_RESULTS: Final = "faiss.raw_results"
FAISS_RESULTS_COUNT: Final = "faiss.results_count"
FAISS_SCORE_AVG: Final = "faiss.score_avg"
FAISS_SCORE_MAX: Final = "faiss.score_max"
FAISS_SCORE_MIN: Final = "faiss.score_min"
FAISS_TOP_K: Final = "faiss.top_k"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
GEN_AI_RETRIEVAL_QUERY_TEXT: Final = "gen_ai.retrieval.query.text"
GEN_AI_RETRIEVAL_TOP_K: Final = "gen_ai.retrieval.top_k"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_REQUEST_METHOD_ORIGINAL: Final = "http.request.method_original"
HTTP_REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_ROUTE: Final = "http.route"
LLM_FINAL_CHARS: Final = "llm.final_chars"
LLM_FINISH_REASON: Final = "llm.finish_reason"
LLM_HAS_THINKING: Final = "llm.has_thinking"
LLM_INPUT_MESSAGES: Final = "llm.input_messages"
LLM_MAX_TOKENS: Final = "llm.max_tokens"
LLM_MESSAGES_COUNT: Final = "llm.messages_count"
LLM_MODEL: Final = "llm.model"
LLM_OUTPUT_MESSAGES: Final = "llm.output_messages"
LLM_REQUEST_SIZE: Final = "llm.request_size"
LLM_RESPONSE_CHARS: Final = "llm.response_chars"
LLM_STREAM: Final = "llm.stream"
LLM_TEMPERATURE: Final = "llm.temperature"
LLM_THINKING_CHARS: Final = "llm.thinking_chars"
LLM_TIME_PER_OUTPUT_TOKEN: Final = "llm.time_per_output_token"
LLM_TIME_TO_FIRST_TOKEN: Final = "llm.time_to_first_token"
LLM_TOKENS_COMPLETION: Final = "llm.tokens_completion"
LLM_TOKENS_PROMPT: Final = "llm.tokens_prompt"
LLM_TOKENS_TOTAL: Final = "llm.tokens_total"
NETWORK_PROTOCOL_VERSION: Final = "network.protocol.version"
PEER_SERVICE: Final = "peer.service"
RAG_CHUNKS_SENT: Final = "rag.chunks_sent"
RAG_CONTEXT_CHARS: Final = "rag.context_chars"
RAG_INPUT_CHUNKS: Final = "rag.input_chunks"
RAG_LIMIT_CHARS: Final = "rag.limit_chars"
RAG_MIN_SCORE: Final = "rag.min_score"
RAG_QUERY: Final = "rag.query"
RAG_RESULTS_FILTERED_COUNT: Final = "rag.results_filtered_count"
RAG_RESULTS_RAW_COUNT: Final = "rag.results_raw_count"
RAG_SCORE_AVG: Final = "rag.score_avg"
RAG_SCORE_MAX: Final = "rag.score_max"
RAG_SCORE_MIN: Final = "rag.score_min"
RAG_TOP_K: Final = "rag.top_k"
RESPONSE_FINAL_CHARS: Final = "response.final_chars"
RESPONSE_HAS_THINKING: Final = "response.has_thinking"
RESPONSE_SIZE: Final = "response.size"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SESSION_ID: Final = "session.id"
TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
TELEMETRY_SDK_NAME: Final = "telemetry.sdk.name"
TELEMETRY_SDK_VERSION: Final = "telemetry.sdk.version"
URL_FULL: Final = "url.full"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
URL_TEMPLATE: Final = "url.template"
USER_AGENT_ORIGINAL: Final = "user_agent.original"

SPAN_FAISS_EMBED_QUERY: Final = "faiss.embed_query"
SPAN_FAISS_INDEX_SEARCH: Final = "faiss.index_search"
SPAN_FAISS_SEARCH: Final = "faiss.search"
SPAN_RAG_BUILD_CONTEXT: Final = "rag.build_context"
SPAN_RAG_RETRIEVE_CONTEXT: Final = "rag.retrieve_context"
SPAN_RESPONSE_SEND_TO_FRONTEND: Final = "response.send_to_frontend"
SPAN_VLLM_GENERATE: Final = "vllm.generate"
SPAN_VLLM_RESPONSE: Final = "vllm.response"

METRIC_CHATBOT_FAISS_REQUESTS_TOTAL: Final = "chatbot_faiss_requests_total"
METRIC_CHATBOT_LLM_TIME_PER_OUTPUT_TOKEN_SECONDS: Final = "chatbot_llm_time_per_output_token_seconds"
METRIC_CHATBOT_LLM_TIME_TO_FIRST_TOKEN_SECONDS: Final = "chatbot_llm_time_to_first_token_seconds"
METRIC_CHATBOT_LLM_TOKENS_TOTAL: Final = "chatbot_llm_tokens_total"
METRIC_CHATBOT_RAG_CHUNKS_SENT: Final = "chatbot_rag_chunks_sent"
METRIC_CHATBOT_RAG_CHUNKS_TOTAL: Final = "chatbot_rag_chunks_total"
METRIC_CHATBOT_REQUEST_DURATION_SECONDS: Final = "chatbot_request_duration_seconds"
METRIC_CHATBOT_REQUESTS_IN_FLIGHT: Final = "chatbot_requests_in_flight"
METRIC_CHATBOT_REQUESTS_TOTAL: Final = "chatbot_requests_total"
METRIC_CHATBOT_TIME_TO_FIRST_BYTE_SECONDS: Final = "chatbot_time_to_first_byte_seconds"
METRIC_CHATBOT_VLLM_REQUESTS_TOTAL: Final = "chatbot_vllm_requests_total"
METRIC_FAISS_WRAP_EMBEDDING_DIMENSION: Final = "faiss_wrap_embedding_dimension"
METRIC_FAISS_WRAP_INDEX_SIZE: Final = "faiss_wrap_index_size"
METRIC_FAISS_WRAP_METADATA_SIZE: Final = "faiss_wrap_metadata_size"
METRIC_FAISS_WRAP_REQUEST_LATENCY_SECONDS: Final = "faiss_wrap_request_latency_seconds"
METRIC_FAISS_WRAP_REQUESTS_IN_FLIGHT: Final = "faiss_wrap_requests_in_flight"
METRIC_FAISS_WRAP_REQUESTS_TOTAL: Final = "faiss_wrap_requests_total"
METRIC_FAISS_WRAP_SEARCH_RESULTS_COUNT: Final = "faiss_wrap_search_results_count"
METRIC_FAISS_WRAP_SEARCH_RESULTS_TOTAL: Final = "faiss_wrap_search_results_total"
METRIC_FAISS_WRAP_SEARCH_TOTAL: Final = "faiss_wrap_search_total"
METRIC_FAISS_WRAP_UPSERTS_TOTAL: Final = "faiss_wrap_upserts_total"
METRIC_LLASTA_BUILD_INFO: Final = "llasta_build_info"
METRIC_LLASTA_TELEMETRY_EXPORT_QUEUE_CAPACITY: Final = "llasta_telemetry_export_queue_capacity"
METRIC_LLASTA_TELEMETRY_EXPORT_QUEUE_LENGTH: Final = "llasta_telemetry_export_queue_length"
METRIC_LLASTA_TELEMETRY_SPANS_TOTAL: Final = "llasta_telemetry_spans_total"
METRIC_PROCESS_CPU_SECONDS_TOTAL: Final = "process_cpu_seconds_total"
METRIC_PROCESS_MAX_FDS: Final = "process_max_fds"
METRIC_PROCESS_OPEN_FDS: Final = "process_open_fds"
METRIC_PROCESS_RESIDENT_MEMORY_BYTES: Final = "process_resident_memory_bytes"
METRIC_PROCESS_START_TIME_SECONDS: Final = "process_start_time_seconds"
METRIC_PROCESS_THREADS: Final = "process_threads"
METRIC_PROCESS_VIRTUAL_MEMORY_BYTES: Final = "process_virtual_memory_bytes"
METRIC_VLLM_ACTIVE_REQUESTS: Final = "vllm_active_requests"
METRIC_VLLM_QUEUE_SIZE: Final = "vllm_queue_size"
METRIC_VLLM_REQUEST_DURATION_SECONDS: Final = "vllm_request_duration_seconds"
METRIC_VLLM_TOKENS_GENERATED_TOTAL: Final = "vllm_tokens_generated_total"

KEYS: Final[Mapping[str, Key]] = {
    "db.operation.name": Key("string"),
    "db.response.returned_rows": Key("int"),
    "db.system.name": Key("string"),
    "embedding.dimension": Key("int", twin="gen_ai.embeddings.dimension.count"),
    "embedding.model": Key("string", twin="gen_ai.request.model"),
    "embedding.text_length": Key("int"),
    "error.message": Key("string"),
    "error.type": Key("string"),
    "faiss.device": Key("string"),
    "faiss.index_size": Key("int"),
    "faiss.index_type": Key("string"),
    "faiss.query": Key("string", content=True),
    "faiss.raw_results": Key("int"),
    "faiss.results_count": Key("int", twin="db.response.returned_rows"),
    "faiss.score_avg": Key("double"),
    "faiss.score_max": Key("double"),
    "faiss.score_min": Key("double"),
    "faiss.top_k": Key("int"),
    "gen_ai.conversation.id": Key("string"),
    "gen_ai.embeddings.dimension.count": Key("int"),
    "gen_ai.input.messages": Key("string", content=True),
    "gen_ai.operation.name": Key("string"),
    "gen_ai.output.messages": Key("string", content=True),
    "gen_ai.provider.name": Key("string"),
    "gen_ai.request.max_tokens": Key("int"),
    "gen_ai.request.model": Key("string"),
    "gen_ai.request.stream": Key("boolean"),
    "gen_ai.request.temperature": Key("double"),
    "gen_ai.response.finish_reasons": Key("string[]"),
    "gen_ai.response.time_to_first_chunk": Key("double"),
    "gen_ai.retrieval.query.text": Key("string", content=True),
    "gen_ai.retrieval.top_k": Key("int"),
    "gen_ai.usage.input_tokens": Key("int"),
    "gen_ai.usage.output_tokens": Key("int"),
    "http.request.method": Key("string"),
    "http.request.method_original": Key("string"),
    "http.request.resend_count": Key("int"),
    "http.response.status_code": Key("int"),
    "http.route": Key("string"),
    "llm.final_chars": Key("int"),
    "llm.finish_reason": Key("string", twin="gen_ai.response.finish_reasons", form="list_of_one"),
    "llm.has_thinking": Key("boolean"),
    "llm.input_messages": Key("string", content=True, twin="gen_ai.input.messages"),
    "llm.max_tokens": Key("int", twin="gen_ai.request.max_tokens"),
    "llm.messages_count": Key("int"),
    "llm.model": Key("string", twin="gen_ai.request.model"),
    "llm.output_messages": Key("string", content=True, twin="gen_ai.output.messages"),
    "llm.request_size": Key("int"),
    "llm.response_chars": Key("int"),
    "llm.stream": Key("boolean", twin="gen_ai.request.stream", form="when_true"),
    "llm.temperature": Key("double", twin="gen_ai.request.temperature"),
    "llm.thinking_chars": Key("int"),
    "llm.time_per_output_token": Key("double"),
    "llm.time_to_first_token": Key("double", twin="gen_ai.response.time_to_first_chunk"),
    "llm.tokens_completion": Key("int", twin="gen_ai.usage.output_tokens"),
    "llm.tokens_prompt": Key("int", twin="gen_ai.usage.input_tokens"),
    "llm.tokens_total": Key("int"),
    "network.protocol.version": Key("string"),
    "peer.service": Key("string"),
    "rag.chunks_sent": Key("int"),
    "rag.context_chars": Key("int"),
    "rag.input_chunks": Key("int"),
    "rag.limit_chars": Key("int"),
    "rag.min_score": Key("double"),
    "rag.query": Key("string", content=True, twin="gen_ai.retrieval.query.text"),
    "rag.results_filtered_count": Key("int"),
    "rag.results_raw_count": Key("int"),
    "rag.score_avg": Key("double"),
    "rag.score_max": Key("double"),
    "rag.score_min": Key("double"),
    "rag.top_k": Key("int", twin="gen_ai.retrieval.top_k"),
    "response.final_chars": Key("int"),
    "response.has_thinking": Key("boolean"),
    "response.size": Key("int"),
    "server.address": Key("string"),
    "server.port": Key("int"),
    "service.instance.id": Key("string"),
    "service.name": Key("string"),
    "service.version": Key("string"),
    "session.id": Key("string"),
    "telemetry.sdk.language": Key("string"),
    "telemetry.sdk.name": Key("string"),
    "telemetry.sdk.version": Key("string"),
    "url.full": Key("string"),
    "url.path": Key("string"),
    "url.scheme": Key("string"),
    "url.template": Key("string"),
    "user_agent.original": Key("string"),
}

MESSAGES: Final = frozenset(
    (
        "llm.input_messages",
        "llm.output_messages",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
    )
)
"""Content that is a prompt or a completion."""


# ---------------------------------------------------------------------------------------------
# The spans


class RagRetrieveContext(SchemaSpan):
    """`rag.retrieve_context`: Retrieval of the chunks that may answer the question."""

    NAME = "rag.retrieve_context"
    KIND = SpanKind.INTERNAL
    FIXED = (("gen_ai.operation.name", "retrieval"),)

    def __init__(
        self,
        *,
        top_k: int,
        min_score: float,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("rag.top_k", top_k), ("rag.min_score", min_score),), tracer, None, parent)

    def query(self, value: str) -> "RagRetrieveContext":
        """User query."""
        return self.set("rag.query", value)

    def results_raw_count(self, value: int) -> "RagRetrieveContext":
        """Chunks the index returned."""
        return self.set("rag.results_raw_count", value)

    def results_filtered_count(self, value: int) -> "RagRetrieveContext":
        """Chunks left after the threshold."""
        return self.set("rag.results_filtered_count", value)

    def score_min(self, value: float) -> "RagRetrieveContext":
        """Lowest score of the filtered chunks."""
        return self.set("rag.score_min", value)

    def score_max(self, value: float) -> "RagRetrieveContext":
        """Highest score of the filtered chunks."""
        return self.set("rag.score_max", value)

    def score_avg(self, value: float) -> "RagRetrieveContext":
        """Mean score of the filtered chunks."""
        return self.set("rag.score_avg", value)


class RagBuildContext(SchemaSpan):
    """`rag.build_context`: Assembly of the context block."""

    NAME = "rag.build_context"
    KIND = SpanKind.INTERNAL
    END = ("rag.chunks_sent", "rag.context_chars",)

    def __init__(
        self,
        *,
        input_chunks: int,
        limit_chars: int,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("rag.input_chunks", input_chunks), ("rag.limit_chars", limit_chars),), tracer, None, parent)

    def finish(self, *, chunks_sent: int, context_chars: int) -> None:
        """What is known only at the end; the block ends the span."""
        self._finish({"rag.chunks_sent": chunks_sent, "rag.context_chars": context_chars})


class VllmGenerate(SchemaSpan):
    """`vllm.generate`: Generation of the answer, until its last token."""

    NAME = "vllm.generate"
    KIND = SpanKind.INTERNAL
    FIXED = (("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "vllm"),)

    def __init__(
        self,
        *,
        model: str,
        messages_count: int,
        request_size: int,
        stream: bool,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("llm.model", model), ("llm.messages_count", messages_count), ("llm.request_size", request_size), ("llm.stream", stream),), tracer, None, parent)

    def temperature(self, value: float) -> "VllmGenerate":
        """Sampling temperature, when set."""
        return self.set("llm.temperature", value)

    def max_tokens(self, value: int) -> "VllmGenerate":
        """Cap on the completion's tokens, when set."""
        return self.set("llm.max_tokens", value)

    def tokens_prompt(self, value: int) -> "VllmGenerate":
        """Tokens the model read, as the server's usage block says."""
        return self.set("llm.tokens_prompt", value)

    def tokens_completion(self, value: int) -> "VllmGenerate":
        """Tokens the model wrote, as the server's usage block says."""
        return self.set("llm.tokens_completion", value)

    def tokens_total(self, value: int) -> "VllmGenerate":
        """Both together, as the server's usage block says."""
        return self.set("llm.tokens_total", value)

    def time_to_first_token(self, value: float) -> "VllmGenerate":
        """Time to the first token of a streamed answer."""
        return self.set("llm.time_to_first_token", value)

    def time_per_output_token(self, value: float) -> "VllmGenerate":
        """(last token − first token) / (completion tokens − 1) of a streamed answer."""
        return self.set("llm.time_per_output_token", value)

    def finish_reason(self, value: str) -> "VllmGenerate":
        """Why the model stopped."""
        return self.set("llm.finish_reason", value)

    def input_messages(self, value: str) -> "VllmGenerate":
        """The messages sent, when the capture policy lets them out."""
        return self.set("llm.input_messages", value)

    def output_messages(self, value: str) -> "VllmGenerate":
        """The answer, when the capture policy lets it out."""
        return self.set("llm.output_messages", value)


class VllmResponse(SchemaSpan):
    """`vllm.response`: The answer being read: from the first to the last chunk of a stream."""

    NAME = "vllm.response"
    KIND = SpanKind.INTERNAL
    END = ("llm.response_chars", "llm.thinking_chars", "llm.final_chars", "llm.has_thinking",)

    def __init__(
        self,
        *,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((), tracer, None, parent)

    def tokens_prompt(self, value: int) -> "VllmResponse":
        """Tokens the model read, as the server's usage block says."""
        return self.set("llm.tokens_prompt", value)

    def tokens_completion(self, value: int) -> "VllmResponse":
        """Tokens the model wrote, as the server's usage block says."""
        return self.set("llm.tokens_completion", value)

    def tokens_total(self, value: int) -> "VllmResponse":
        """Both together, as the server's usage block says."""
        return self.set("llm.tokens_total", value)

    def finish(self, *, response_chars: int, thinking_chars: int, final_chars: int, has_thinking: bool) -> None:
        """What is known only at the end; the block ends the span."""
        self._finish({"llm.response_chars": response_chars, "llm.thinking_chars": thinking_chars, "llm.final_chars": final_chars, "llm.has_thinking": has_thinking})


class FaissSearch(SchemaSpan):
    """`faiss.search`: One search, from the query's text to the results."""

    NAME = "faiss.search"
    KIND = SpanKind.INTERNAL
    FIXED = (("db.system.name", "faiss"), ("db.operation.name", "search"),)
    END = ("faiss.results_count",)

    def __init__(
        self,
        *,
        top_k: int,
        index_size: int,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("faiss.top_k", top_k), ("faiss.index_size", index_size),), tracer, None, parent)

    def query(self, value: str) -> "FaissSearch":
        """Search query."""
        return self.set("faiss.query", value)

    def score_min(self, value: float) -> "FaissSearch":
        """Lowest score of the results."""
        return self.set("faiss.score_min", value)

    def score_max(self, value: float) -> "FaissSearch":
        """Highest score of the results."""
        return self.set("faiss.score_max", value)

    def score_avg(self, value: float) -> "FaissSearch":
        """Mean score of the results."""
        return self.set("faiss.score_avg", value)

    def finish(self, *, results_count: int) -> None:
        """What is known only at the end; the block ends the span."""
        self._finish({"faiss.results_count": results_count})


class FaissEmbedQuery(SchemaSpan):
    """`faiss.embed_query`: The query becomes a vector."""

    NAME = "faiss.embed_query"
    KIND = SpanKind.INTERNAL
    FIXED = (("gen_ai.operation.name", "embeddings"),)

    def __init__(
        self,
        *,
        model: str,
        dimension: int,
        text_length: int,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("embedding.model", model), ("embedding.dimension", dimension), ("embedding.text_length", text_length),), tracer, None, parent)


class FaissIndexSearch(SchemaSpan):
    """`faiss.index_search`: The nearest neighbours of the vector."""

    NAME = "faiss.index_search"
    KIND = SpanKind.INTERNAL
    FIXED = (("db.system.name", "faiss"), ("db.operation.name", "search"),)
    END = ("faiss.raw_results",)

    def __init__(
        self,
        *,
        index_size: int,
        top_k: int,
        index_type: str,
        device: str,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("faiss.index_size", index_size), ("faiss.top_k", top_k), ("faiss.index_type", index_type), ("faiss.device", device),), tracer, None, parent)

    def finish(self, *, raw_results: int) -> None:
        """What is known only at the end; the block ends the span."""
        self._finish({"faiss.raw_results": raw_results})


class ResponseSendToFrontend(SchemaSpan):
    """`response.send_to_frontend`: The answer being handed over, until its last byte or until the client went away."""

    NAME = "response.send_to_frontend"
    KIND = SpanKind.INTERNAL
    END = ("response.size", "response.final_chars", "response.has_thinking",)

    def __init__(
        self,
        *,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((), tracer, None, parent)

    def finish(self, *, size: int, final_chars: int, has_thinking: bool) -> None:
        """What is known only at the end; the block ends the span."""
        self._finish({"response.size": size, "response.final_chars": final_chars, "response.has_thinking": has_thinking})


class HttpServer(SchemaSpan):
    """`{http.request.method} {http.route}`: A request being answered, from its first byte in to its last byte out."""

    KIND = SpanKind.SERVER

    def __init__(
        self,
        name: str,
        *,
        http_request_method: str,
        url_path: str,
        url_scheme: str,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("http.request.method", http_request_method), ("url.path", url_path), ("url.scheme", url_scheme),), tracer, name, parent)

    def http_route(self, value: str) -> "HttpServer":
        """The route that matched; absent when none did."""
        return self.set("http.route", value)

    def http_request_method_original(self, value: str) -> "HttpServer":
        """The method as it came, when it is none that is known."""
        return self.set("http.request.method_original", value)

    def server_address(self, value: str) -> "HttpServer":
        """The name or address of the server."""
        return self.set("server.address", value)

    def server_port(self, value: int) -> "HttpServer":
        """The port of the server."""
        return self.set("server.port", value)

    def network_protocol_version(self, value: str) -> "HttpServer":
        """The version of HTTP."""
        return self.set("network.protocol.version", value)

    def user_agent_original(self, value: str) -> "HttpServer":
        """The client's own name for itself."""
        return self.set("user_agent.original", value)

    def http_response_status_code(self, value: int) -> "HttpServer":
        """Status code of the answer."""
        return self.set("http.response.status_code", value)

    def error_type(self, value: str) -> "HttpServer":
        """A word of low cardinality that says why it failed."""
        return self.set("error.type", value)

    def error_message(self, value: str) -> "HttpServer":
        """What went wrong, at most 100 characters."""
        return self.set("error.message", value)


class HttpClient(SchemaSpan):
    """`{http.request.method} {url.template}`: A request being made, until the last byte of its answer."""

    KIND = SpanKind.CLIENT

    def __init__(
        self,
        name: str,
        *,
        http_request_method: str,
        url_full: str,
        server_address: str,
        server_port: int,
        tracer: Optional[Tracer] = None,
        parent: Optional[context.Context] = None,
    ) -> None:
        super().__init__((("http.request.method", http_request_method), ("url.full", url_full), ("server.address", server_address), ("server.port", server_port),), tracer, name, parent)

    def url_template(self, value: str) -> "HttpClient":
        """The path of a request that is made, of low cardinality."""
        return self.set("url.template", value)

    def http_request_method_original(self, value: str) -> "HttpClient":
        """The method as it came, when it is none that is known."""
        return self.set("http.request.method_original", value)

    def http_request_resend_count(self, value: int) -> "HttpClient":
        """Ordinal of a request that is sent again."""
        return self.set("http.request.resend_count", value)

    def peer_service(self, value: str) -> "HttpClient":
        """The service on the other side, as its neighbours know it."""
        return self.set("peer.service", value)

    def network_protocol_version(self, value: str) -> "HttpClient":
        """The version of HTTP."""
        return self.set("network.protocol.version", value)

    def http_response_status_code(self, value: int) -> "HttpClient":
        """Status code of the answer."""
        return self.set("http.response.status_code", value)

    def error_type(self, value: str) -> "HttpClient":
        """A word of low cardinality that says why it failed."""
        return self.set("error.type", value)

    def error_message(self, value: str) -> "HttpClient":
        """What went wrong, at most 100 characters."""
        return self.set("error.message", value)


# ---------------------------------------------------------------------------------------------
# The metrics


class ChatbotMetrics:
    """Metrics of chatbot-rag."""

    def __init__(self, registry: Optional["CollectorRegistry"] = None) -> None:
        self._requests = _Family(
            registry,
            "counter",
            ("chatbot_requests_total",),
            "Requests by the way they ended.",
            labels=(Label("endpoint", ("/api/chat", "/health", "/", "unmatched",)), Label("status", ("success", "error", "cancelled",)),),
        )
        self._request_duration_seconds = _Family(
            registry,
            "histogram",
            ("chatbot_request_duration_seconds",),
            "Seconds from the first byte in to the last byte out.",
            labels=(Label("endpoint", ("/api/chat", "/health", "/", "unmatched",)),),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,),
            unit="seconds",
        )
        self._requests_in_flight = _Family(
            registry,
            "gauge",
            ("chatbot_requests_in_flight",),
            "Requests being answered.",
            labels=(Label("endpoint", ("/api/chat", "/health", "/", "unmatched",)),),
        )
        self._time_to_first_byte_seconds = _Family(
            registry,
            "histogram",
            ("chatbot_time_to_first_byte_seconds",),
            "Seconds from the first byte in to the first byte out.",
            labels=(Label("endpoint", ("/api/chat", "/health", "/", "unmatched",)),),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,),
            unit="seconds",
        )
        self._vllm_requests = _Family(
            registry,
            "counter",
            ("chatbot_vllm_requests_total",),
            "Requests to the LLM by the way they ended.",
            labels=(Label("status", ("success", "error", "cancelled",)),),
        )
        self._faiss_requests = _Family(
            registry,
            "counter",
            ("chatbot_faiss_requests_total",),
            "Requests to faiss-wrap by the way they ended.",
            labels=(Label("status", ("success", "error", "cancelled",)),),
        )
        self._rag_chunks_sent = _Family(
            registry,
            "histogram",
            ("chatbot_rag_chunks_sent",),
            "Chunks sent to the LLM with one question.",
            buckets=(0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0,),
        )
        self._rag_chunks = _Family(
            registry,
            "counter",
            ("chatbot_rag_chunks_total",),
            "Chunks sent to the LLM.",
        )
        self._llm_tokens = _Family(
            registry,
            "counter",
            ("chatbot_llm_tokens_total",),
            "Tokens by model and type, as the LLM's usage block says.",
            labels=(Label("model"), Label("type", ("prompt", "completion",)),),
        )
        self._llm_time_to_first_token_seconds = _Family(
            registry,
            "histogram",
            ("chatbot_llm_time_to_first_token_seconds",),
            "Seconds to the first token of a streamed answer.",
            labels=(Label("model"),),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,),
            unit="seconds",
        )
        self._llm_time_per_output_token_seconds = _Family(
            registry,
            "histogram",
            ("chatbot_llm_time_per_output_token_seconds",),
            "Seconds between two tokens of a streamed answer.",
            labels=(Label("model"),),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0,),
            unit="seconds",
        )

    def requests(self, *, endpoint: Literal["/api/chat", "/health", "/", "unmatched"], status: Literal["success", "error", "cancelled"]) -> CounterSeries:
        """`chatbot_requests_total`: Requests by the way they ended."""
        return CounterSeries(self._requests.children((endpoint, status, )))

    def request_duration_seconds(self, *, endpoint: Literal["/api/chat", "/health", "/", "unmatched"]) -> HistogramSeries:
        """`chatbot_request_duration_seconds`: Seconds from the first byte in to the last byte out."""
        return HistogramSeries(self._request_duration_seconds.children((endpoint, )))

    def requests_in_flight(self, *, endpoint: Literal["/api/chat", "/health", "/", "unmatched"]) -> GaugeSeries:
        """`chatbot_requests_in_flight`: Requests being answered."""
        return GaugeSeries(self._requests_in_flight.children((endpoint, )))

    def time_to_first_byte_seconds(self, *, endpoint: Literal["/api/chat", "/health", "/", "unmatched"]) -> HistogramSeries:
        """`chatbot_time_to_first_byte_seconds`: Seconds from the first byte in to the first byte out."""
        return HistogramSeries(self._time_to_first_byte_seconds.children((endpoint, )))

    def vllm_requests(self, *, status: Literal["success", "error", "cancelled"]) -> CounterSeries:
        """`chatbot_vllm_requests_total`: Requests to the LLM by the way they ended."""
        return CounterSeries(self._vllm_requests.children((status, )))

    def faiss_requests(self, *, status: Literal["success", "error", "cancelled"]) -> CounterSeries:
        """`chatbot_faiss_requests_total`: Requests to faiss-wrap by the way they ended."""
        return CounterSeries(self._faiss_requests.children((status, )))

    def rag_chunks_sent(self) -> HistogramSeries:
        """`chatbot_rag_chunks_sent`: Chunks sent to the LLM with one question."""
        return HistogramSeries(self._rag_chunks_sent.children(()))

    def rag_chunks(self) -> CounterSeries:
        """`chatbot_rag_chunks_total`: Chunks sent to the LLM."""
        return CounterSeries(self._rag_chunks.children(()))

    def llm_tokens(self, *, model: str, type: Literal["prompt", "completion"]) -> CounterSeries:
        """`chatbot_llm_tokens_total`: Tokens by model and type, as the LLM's usage block says."""
        return CounterSeries(self._llm_tokens.children((model, type, )))

    def llm_time_to_first_token_seconds(self, *, model: str) -> HistogramSeries:
        """`chatbot_llm_time_to_first_token_seconds`: Seconds to the first token of a streamed answer."""
        return HistogramSeries(self._llm_time_to_first_token_seconds.children((model, )))

    def llm_time_per_output_token_seconds(self, *, model: str) -> HistogramSeries:
        """`chatbot_llm_time_per_output_token_seconds`: Seconds between two tokens of a streamed answer."""
        return HistogramSeries(self._llm_time_per_output_token_seconds.children((model, )))


class FaissWrapMetrics:
    """Metrics of faiss-wrap."""

    def __init__(self, registry: Optional["CollectorRegistry"] = None) -> None:
        self._requests = _Family(
            registry,
            "counter",
            ("faiss_wrap_requests_total",),
            "Requests by the way they ended.",
            labels=(Label("endpoint", ("search", "upsert", "delete", "items", "reset", "health", "unmatched",)), Label("status", ("success", "error", "cancelled",)),),
        )
        self._request_latency_seconds = _Family(
            registry,
            "histogram",
            ("faiss_wrap_request_latency_seconds",),
            "Seconds from the first byte in to the last byte out.",
            labels=(Label("endpoint", ("search", "upsert", "delete", "items", "reset", "health", "unmatched",)),),
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,),
            unit="seconds",
        )
        self._requests_in_flight = _Family(
            registry,
            "gauge",
            ("faiss_wrap_requests_in_flight",),
            "Requests being answered.",
            labels=(Label("endpoint", ("search", "upsert", "delete", "items", "reset", "health", "unmatched",)),),
        )
        self._upserts = _Family(
            registry,
            "counter",
            ("faiss_wrap_upserts_total",),
            "Items upserted.",
        )
        self._search = _Family(
            registry,
            "counter",
            ("faiss_wrap_search_total",),
            "Searches performed.",
        )
        self._search_results = _Family(
            registry,
            "counter",
            ("faiss_wrap_search_results_total",),
            "Results returned.",
        )
        self._search_results_count = _Family(
            registry,
            "histogram",
            ("faiss_wrap_search_results_count",),
            "Results of one search.",
            buckets=(0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0,),
        )
        self._index_size = _Family(
            registry,
            "gauge",
            ("faiss_wrap_index_size",),
            "Vectors in the index.",
        )
        self._metadata_size = _Family(
            registry,
            "gauge",
            ("faiss_wrap_metadata_size",),
            "Entries in the metadata store.",
        )
        self._embedding_dimension = _Family(
            registry,
            "gauge",
            ("faiss_wrap_embedding_dimension",),
            "Dimensions of the vectors.",
        )

    def requests(self, *, endpoint: Literal["search", "upsert", "delete", "items", "reset", "health", "unmatched"], status: Literal["success", "error", "cancelled"]) -> CounterSeries:
        """`faiss_wrap_requests_total`: Requests by the way they ended."""
        return CounterSeries(self._requests.children((endpoint, status, )))

    def request_latency_seconds(self, *, endpoint: Literal["search", "upsert", "delete", "items", "reset", "health", "unmatched"]) -> HistogramSeries:
        """`faiss_wrap_request_latency_seconds`: Seconds from the first byte in to the last byte out."""
        return HistogramSeries(self._request_latency_seconds.children((endpoint, )))

    def requests_in_flight(self, *, endpoint: Literal["search", "upsert", "delete", "items", "reset", "health", "unmatched"]) -> GaugeSeries:
        """`faiss_wrap_requests_in_flight`: Requests being answered."""
        return GaugeSeries(self._requests_in_flight.children((endpoint, )))

    def upserts(self) -> CounterSeries:
        """`faiss_wrap_upserts_total`: Items upserted."""
        return CounterSeries(self._upserts.children(()))

    def search(self) -> CounterSeries:
        """`faiss_wrap_search_total`: Searches performed."""
        return CounterSeries(self._search.children(()))

    def search_results(self) -> CounterSeries:
        """`faiss_wrap_search_results_total`: Results returned."""
        return CounterSeries(self._search_results.children(()))

    def search_results_count(self) -> HistogramSeries:
        """`faiss_wrap_search_results_count`: Results of one search."""
        return HistogramSeries(self._search_results_count.children(()))

    def index_size(self) -> GaugeSeries:
        """`faiss_wrap_index_size`: Vectors in the index."""
        return GaugeSeries(self._index_size.children(()))

    def metadata_size(self) -> GaugeSeries:
        """`faiss_wrap_metadata_size`: Entries in the metadata store."""
        return GaugeSeries(self._metadata_size.children(()))

    def embedding_dimension(self) -> GaugeSeries:
        """`faiss_wrap_embedding_dimension`: Dimensions of the vectors."""
        return GaugeSeries(self._embedding_dimension.children(()))


class VllmMetrics:
    """Metrics of the LLM server."""

    def __init__(self, registry: Optional["CollectorRegistry"] = None) -> None:
        self._request_duration_seconds = _Family(
            registry,
            "histogram",
            ("vllm_request_duration_seconds",),
            "Seconds of one generation.",
            labels=(Label("model_name"),),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,),
            unit="seconds",
        )
        self._tokens_generated = _Family(
            registry,
            "counter",
            ("vllm_tokens_generated_total",),
            "Tokens generated.",
            labels=(Label("model_name"),),
        )
        self._active_requests = _Family(
            registry,
            "gauge",
            ("vllm_active_requests",),
            "Requests being generated.",
            labels=(Label("model_name"),),
        )
        self._queue_size = _Family(
            registry,
            "gauge",
            ("vllm_queue_size",),
            "Requests waiting for their turn.",
            labels=(Label("model_name"),),
        )

    def request_duration_seconds(self, *, model_name: str) -> HistogramSeries:
        """`vllm_request_duration_seconds`: Seconds of one generation."""
        return HistogramSeries(self._request_duration_seconds.children((model_name, )))

    def tokens_generated(self, *, model_name: str) -> CounterSeries:
        """`vllm_tokens_generated_total`: Tokens generated."""
        return CounterSeries(self._tokens_generated.children((model_name, )))

    def active_requests(self, *, model_name: str) -> GaugeSeries:
        """`vllm_active_requests`: Requests being generated."""
        return GaugeSeries(self._active_requests.children((model_name, )))

    def queue_size(self, *, model_name: str) -> GaugeSeries:
        """`vllm_queue_size`: Requests waiting for their turn."""
        return GaugeSeries(self._queue_size.children((model_name, )))


class LlastaMetrics:
    """Metrics about the telemetry itself."""

    def __init__(self, registry: Optional["CollectorRegistry"] = None) -> None:
        self._telemetry_spans = _Family(
            registry,
            "counter",
            ("llasta_telemetry_spans_total",),
            "Spans by what became of them.",
            labels=(Label("result", ("exported", "dropped", "failed",)),),
        )
        self._telemetry_export_queue_length = _Family(
            registry,
            "gauge",
            ("llasta_telemetry_export_queue_length",),
            "Spans waiting to be exported.",
        )
        self._telemetry_export_queue_capacity = _Family(
            registry,
            "gauge",
            ("llasta_telemetry_export_queue_capacity",),
            "Spans that can wait to be exported.",
        )
        self._build_info = _Family(
            registry,
            "gauge",
            ("llasta_build_info",),
            "Always 1; the labels say which build this is.",
            labels=(Label("service"), Label("version"),),
        )

    def telemetry_spans(self, *, result: Literal["exported", "dropped", "failed"]) -> CounterSeries:
        """`llasta_telemetry_spans_total`: Spans by what became of them."""
        return CounterSeries(self._telemetry_spans.children((result, )))

    def telemetry_export_queue_length(self) -> GaugeSeries:
        """`llasta_telemetry_export_queue_length`: Spans waiting to be exported."""
        return GaugeSeries(self._telemetry_export_queue_length.children(()))

    def telemetry_export_queue_capacity(self) -> GaugeSeries:
        """`llasta_telemetry_export_queue_capacity`: Spans that can wait to be exported."""
        return GaugeSeries(self._telemetry_export_queue_capacity.children(()))

    def build_info(self, *, service: str, version: str) -> GaugeSeries:
        """`llasta_build_info`: Always 1; the labels say which build this is."""
        return GaugeSeries(self._build_info.children((service, version, )))
