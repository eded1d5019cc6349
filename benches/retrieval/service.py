"""The search service that a team assembles in Python today, to compare with.

    python service.py --model FOLDER [--port 9000] [--threads 2]

FastAPI and uvicorn, sentence-transformers, faiss-cpu, OpenTelemetry with its FastAPI instrumentation and the
OTLP exporter, prometheus-client, one JSON access line per request. Same face, same spans and attributes, same
metrics as faiss-wrap. Each library is used as its own documentation shows.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from typing import Any, Dict, List, Optional

import faiss
import numpy
import prometheus_client
import torch
import uvicorn
from fastapi import FastAPI, Request, Response
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client.openmetrics import exposition
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

LATENCY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Item(BaseModel):
    id: str
    text: str
    metadata: Optional[Dict[str, Any]] = None


class Upsert(BaseModel):
    items: List[Item]


class Search(BaseModel):
    query: str
    top_k: int = 5


class Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        context = trace.get_current_span().get_span_context()
        line = {
            "timestamp": time.time(),
            "level": record.levelname,
            "target": record.name,
            "message": record.getMessage(),
            "service.name": "faiss-wrap-python",
            **getattr(record, "fields", {}),
        }
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        return json.dumps(line)


class Collection:
    """Texts by id, their vectors in a flat index."""

    def __init__(self, folder: str) -> None:
        self.name = "sentence-transformers/all-MiniLM-L6-v2"
        self.model = SentenceTransformer(folder, device="cpu")
        self.dimension = self.model.get_embedding_dimension()
        self.index = faiss.IndexIDMap2(faiss.IndexFlatIP(self.dimension))
        self.items: Dict[int, Item] = {}
        self.keys: Dict[str, int] = {}
        self.lock = threading.Lock()

    def embed(self, texts: List[str]) -> numpy.ndarray:
        return self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    def upsert(self, items: List[Item]) -> None:
        vectors = self.embed([item.text for item in items])
        with self.lock:
            old = [self.keys[item.id] for item in items if item.id in self.keys]
            if old:
                self.index.remove_ids(numpy.array(old, dtype="int64"))
            keys = [self.keys.setdefault(item.id, len(self.keys)) for item in items]
            self.index.add_with_ids(vectors, numpy.array(keys, dtype="int64"))
            self.items.update(zip(keys, items))


def service(collection: Collection) -> FastAPI:
    app = FastAPI()
    tracer = trace.get_tracer("faiss-wrap-python")
    log = logging.getLogger("access")
    requests = prometheus_client.Counter("faiss_wrap_requests_total", "Requests.", ["endpoint", "status"])
    latency = prometheus_client.Histogram(
        "faiss_wrap_request_latency_seconds", "Latency.", ["endpoint"], buckets=LATENCY
    )
    in_flight = prometheus_client.Gauge("faiss_wrap_requests_in_flight", "In flight.", ["endpoint"])
    searches = prometheus_client.Counter("faiss_wrap_search_total", "Searches.")
    results_total = prometheus_client.Counter("faiss_wrap_search_results_total", "Results.")
    results_count = prometheus_client.Histogram(
        "faiss_wrap_search_results_count", "Results.", buckets=(0, 1, 2, 3, 5, 10, 20, 50)
    )
    upserts = prometheus_client.Counter("faiss_wrap_upserts_total", "Items.")
    size = prometheus_client.Gauge("faiss_wrap_index_size", "Vectors.")

    @app.middleware("http")
    async def measure(request: Request, call_next: Any) -> Response:
        endpoint = request.url.path.strip("/")
        began = time.perf_counter()
        status = "error"
        with in_flight.labels(endpoint).track_inprogress():
            try:
                response = await call_next(request)
                status = "error" if response.status_code >= 500 else "success"
                return response
            finally:
                took = time.perf_counter() - began
                context = trace.get_current_span().get_span_context()
                exemplar = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
                requests.labels(endpoint, status).inc(exemplar=exemplar)
                latency.labels(endpoint).observe(took, exemplar=exemplar)
                log.info("request", extra={"fields": {"endpoint": endpoint, "status": status, "duration": took}})

    @app.post("/upsert")
    def upsert(body: Upsert) -> Dict[str, int]:
        collection.upsert(body.items)
        upserts.inc(len(body.items))
        size.set(collection.index.ntotal)
        return {"upserted": len(body.items), "total_items": collection.index.ntotal}

    @app.post("/search")
    def search(body: Search) -> Dict[str, Any]:
        top_k = min(max(body.top_k, 1), 50)
        with tracer.start_as_current_span("faiss.search") as span:
            span.set_attributes({
                "faiss.query": body.query[:100], "faiss.top_k": top_k,
                "faiss.index_size": collection.index.ntotal,
                "db.system.name": "faiss", "db.operation.name": "search",
            })
            with tracer.start_as_current_span("faiss.embed_query") as child:
                child.set_attributes({
                    "embedding.model": collection.name, "embedding.dimension": collection.dimension,
                    "embedding.text_length": len(body.query), "gen_ai.operation.name": "embeddings",
                    "gen_ai.request.model": collection.name,
                    "gen_ai.embeddings.dimension.count": collection.dimension,
                })
                vector = collection.embed([body.query])
            with tracer.start_as_current_span("faiss.index_search") as child:
                child.set_attributes({
                    "faiss.index_size": collection.index.ntotal, "faiss.top_k": top_k,
                    "faiss.index_type": "Flat", "faiss.device": "cpu",
                })
                scores, keys = collection.index.search(vector, top_k)
                child.set_attribute("faiss.raw_results", int((keys[0] >= 0).sum()))
            results = [
                {"id": item.id, "text": item.text, "metadata": item.metadata, "score": float(score)}
                for score, item in (
                    (score, collection.items[int(key)]) for score, key in zip(scores[0], keys[0]) if key >= 0
                )
            ]
            found = [result["score"] for result in results]
            span.set_attribute("faiss.results_count", len(results))
            if found:
                span.set_attributes({
                    "faiss.score_min": min(found), "faiss.score_max": max(found),
                    "faiss.score_avg": sum(found) / len(found),
                })
        searches.inc()
        results_total.inc(len(results))
        results_count.observe(len(results))
        return {"results": results}

    @app.get("/health")
    def health() -> Dict[str, Any]:
        return {"status": "ok", "index_size": collection.index.ntotal}

    @app.get("/metrics")
    def metrics() -> Response:
        page = exposition.generate_latest(prometheus_client.REGISTRY)
        return Response(page, media_type="application/openmetrics-text; version=1.0.0; charset=utf-8")

    FastAPIInstrumentor.instrument_app(app, excluded_urls="metrics")
    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Json())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("access").setLevel(logging.INFO)
    provider = TracerProvider(resource=Resource.create({"service.name": "faiss-wrap-python"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

    collection = Collection(arguments.model)
    collection.embed(["warm up"])
    uvicorn.run(
        service(collection), host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False
    )
    provider.shutdown()


if __name__ == "__main__":
    main()
