"""The same service with mistakes, each of which `llasta check` has to find.

    what is wrong                                                  finding
    faiss.top_k is a text                                          type_mismatch
    faiss.search lacks faiss.index_size                            missing_attribute
    faiss.search has faiss.topk, which nobody declared             unknown_attribute
    faiss.embed_query is of kind CLIENT                            wrong_kind
    faiss.index_search stands under the SERVER span                wrong_parent
    faiss_wrap_upserts_total is called faiss_wrap_upserted_total   missing_metric, undeclared_metric
    faiss_wrap_requests_total has the label request_id             undeclared_label
    faiss_wrap_requests_total begins without its series            missing_series
    faiss_wrap_request_latency_seconds has other buckets           wrong_buckets
    a line of the log is no JSON                                   unreadable
    a line of the log has no level                                 missing_log_field
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any, List, Tuple

import prometheus_client
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind

from index import DIMENSION, MODEL, Index, Item, embed
from llasta_schema import CounterSeries, FaissWrapMetrics, HistogramSeries


def search(index: Index, query: str, top_k: int) -> List[Tuple[Item, float]]:
    tracer = trace.get_tracer("faiss-wrap")
    around = context.get_current()
    with tracer.start_as_current_span("faiss.search") as span:
        span.set_attribute("faiss.query", query)
        span.set_attribute("faiss.top_k", str(top_k))
        span.set_attribute("faiss.topk", top_k)
        span.set_attribute("db.system.name", "faiss")
        span.set_attribute("db.operation.name", "search")
        with tracer.start_as_current_span("faiss.embed_query", kind=SpanKind.CLIENT) as inner:
            inner.set_attribute("embedding.model", MODEL)
            inner.set_attribute("gen_ai.request.model", MODEL)
            inner.set_attribute("embedding.dimension", DIMENSION)
            inner.set_attribute("gen_ai.embeddings.dimension.count", DIMENSION)
            inner.set_attribute("embedding.text_length", len(query))
            inner.set_attribute("gen_ai.operation.name", "embeddings")
            vector = embed(query)
        with tracer.start_as_current_span("faiss.index_search", context=around) as inner:
            found = index.nearest(vector, top_k)
            inner.set_attribute("faiss.index_size", len(index))
            inner.set_attribute("faiss.top_k", top_k)
            inner.set_attribute("faiss.raw_results", len(found))
            inner.set_attribute("faiss.index_type", "Flat")
            inner.set_attribute("faiss.device", "cpu")
            inner.set_attribute("db.system.name", "faiss")
            inner.set_attribute("db.operation.name", "search")
        span.set_attribute("faiss.results_count", len(found))
        span.set_attribute("db.response.returned_rows", len(found))
    return found


class Metrics(FaissWrapMetrics):
    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        right = prometheus_client.CollectorRegistry()
        super().__init__(right)
        # Those that are right are shown as they are.
        for family in (
            self._requests_in_flight,
            self._search,
            self._search_results,
            self._search_results_count,
            self._index_size,
            self._metadata_size,
            self._embedding_dimension,
        ):
            for each in family._families:
                registry.register(each)
        self._upserted = prometheus_client.Counter(
            "faiss_wrap_upserted_total", "Items upserted.", registry=registry
        )
        self._each = prometheus_client.Counter(
            "faiss_wrap_requests_total",
            "Requests by the way they ended.",
            ["endpoint", "status", "request_id"],
            registry=registry,
        )
        self._latency = prometheus_client.Histogram(
            "faiss_wrap_request_latency_seconds",
            "Seconds from the first byte in to the last byte out.",
            ["endpoint"],
            registry=registry,
        )

    def upserts(self) -> CounterSeries:
        return CounterSeries([self._upserted])

    def requests(self, *, endpoint: Any, status: Any) -> CounterSeries:
        return CounterSeries([self._each.labels(endpoint, status, str(uuid.uuid4()))])

    def request_latency_seconds(self, *, endpoint: Any) -> HistogramSeries:
        return HistogramSeries([self._latency.labels(endpoint)])


def lines() -> None:
    """What a service in Python says that nobody told about JSON."""
    sys.stdout.write("INFO:     Application startup complete.\n")
    line = {"timestamp": "2026-11-23T02:11:19.000123Z", "target": "faiss_wrap", "message": "ready"}
    sys.stdout.write(json.dumps({**line, "service.name": "faiss-wrap"}) + "\n")
    sys.stdout.flush()
