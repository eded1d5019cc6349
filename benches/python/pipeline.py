"""Where spans go: OpenTelemetry's SDK, with a queue that can be counted."""

from __future__ import annotations

import os
import queue
import threading
import uuid
from typing import Callable, List, Literal, Optional

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, set_value
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

CAPACITY = 2048
BATCH = 512

# Both the API's exporters and ours set it, so that an exporter's own requests make no spans.
SUPPRESS = "suppress_instrumentation"

Settled = Callable[[Literal["exported", "dropped", "failed"], int], None]


class CountedQueue(SpanProcessor):
    """Exports on a thread of its own; says what became of each span: exported, failed or dropped."""

    def __init__(self, exporter: SpanExporter, settled: Settled) -> None:
        self._exporter = exporter
        self._settled = settled
        self._waiting: "queue.Queue[Optional[ReadableSpan]]" = queue.Queue()
        self._thread = threading.Thread(target=self._export, name="export", daemon=True)
        self._thread.start()

    def length(self) -> int:
        return self._waiting.qsize()

    def on_start(self, span: Span, parent_context: Optional[Context] = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self.length() >= CAPACITY:
            self._settled("dropped", 1)
        else:
            self._waiting.put(span)

    def shutdown(self) -> None:
        """Exports what waits. None is the last in the queue."""
        self._waiting.put(None)
        self._thread.join(timeout=10)
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True

    def _export(self) -> None:
        open_ = True
        while open_:
            batch: List[ReadableSpan] = []
            span = self._waiting.get()
            while span is not None:
                batch.append(span)
                if len(batch) == BATCH or self._waiting.empty():
                    break
                span = self._waiting.get()
            open_ = span is not None
            if batch:
                token = attach(set_value(SUPPRESS, True))
                try:
                    result = self._exporter.export(batch)
                except Exception:  # A collector that is gone must not end the thread.
                    result = SpanExportResult.FAILURE
                finally:
                    detach(token)
                good = result is SpanExportResult.SUCCESS
                self._settled("exported" if good else "failed", len(batch))


def endpoint() -> str:
    return os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")


def exporter() -> SpanExporter:
    """By OTEL_EXPORTER_OTLP_PROTOCOL: `grpc` or `http/protobuf`, which is the default."""
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http()


def install(service: str, version: str, settled: Settled) -> CountedQueue:
    """Makes the tracer provider of this process and returns its queue."""
    resource = Resource.create(
        {
            "service.name": service,
            "service.version": version,
            "service.instance.id": str(uuid.uuid4()),
        }
    )
    provider = TracerProvider(resource=resource)
    waiting = CountedQueue(exporter(), settled)
    provider.add_span_processor(waiting)
    trace.set_tracer_provider(provider)
    return waiting
