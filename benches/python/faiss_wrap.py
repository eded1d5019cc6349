"""faiss-wrap in Python: the same face and the same telemetry, by the generated module.

    python faiss_wrap.py [--host 127.0.0.1] [--port 9000] [--wrong]

Spans go where the OTEL_EXPORTER_OTLP_* variables say. With --wrong its telemetry has the mistakes
that `wrong.py` lists.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import Any, Dict, List, Optional

import prometheus_client
import uvicorn
from fastapi import FastAPI, Header, Response
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel

import pipeline
import wrong
from index import DIMENSION, MODEL, Index
from llasta_schema import SCHEMA_VERSION, FaissWrapMetrics, JsonFormatter, LlastaMetrics
from middleware import Telemetry, say
from search import search

SERVICE = "faiss-wrap"
MOST_RESULTS = 50


class ItemIn(BaseModel):
    id: str
    text: str
    metadata: Optional[Dict[str, Any]] = None


class Upsert(BaseModel):
    items: List[ItemIn]


class Search(BaseModel):
    query: str
    top_k: int = 5


def service(index: Index, metrics: FaissWrapMetrics, find: Any, registry: Any) -> FastAPI:
    """The HTTP face of section 5 of the contract."""
    # FastAPI makes SERVER spans of its own, under ours: one request would be two.
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    def sizes() -> None:
        metrics.index_size().set(len(index))
        metrics.metadata_size().set(len(index))

    metrics.embedding_dimension().set(DIMENSION)
    sizes()

    @app.post("/upsert")
    async def upsert(body: Upsert) -> Dict[str, int]:
        for item in body.items:
            index.put(item.id, item.text, item.metadata)
        metrics.upserts().inc(len(body.items))
        sizes()
        return {"upserted": len(body.items), "total_items": len(index)}

    @app.post("/search")
    async def search_(body: Search) -> Dict[str, Any]:
        metrics.search().inc()
        top_k = min(max(body.top_k, 1), MOST_RESULTS)
        found = find(index, body.query, top_k) if body.query.strip() else []
        metrics.search_results().inc(len(found))
        metrics.search_results_count().observe(len(found))
        results = [
            {"id": item.id, "text": item.text, "metadata": item.metadata, "score": score}
            for item, score in found
        ]
        return {"results": results}

    @app.post("/reset")
    async def reset() -> Dict[str, Any]:
        index.items.clear()
        sizes()
        return {"message": "The index is empty.", "total_items": 0}

    @app.get("/health")
    async def health() -> Dict[str, Any]:
        return {
            "status": "ok",
            "model": MODEL,
            "index_size": len(index),
            "metadata_size": len(index),
            "embedding_dim": DIMENSION,
        }

    @app.get("/metrics")
    async def page(accept: str = Header(default="")) -> Response:
        encode, content_type = choose_encoder(accept)
        return Response(encode(registry), headers={"content-type": content_type})

    return app


def process_metrics(registry: Any) -> None:
    """`process_*`, where the system tells; the one that prometheus_client lacks is counted here."""
    if not os.path.isdir("/proc/self/task"):
        return
    prometheus_client.ProcessCollector(registry=registry)
    threads = prometheus_client.Gauge("process_threads", "Threads in the process.", registry=registry)
    threads.set_function(lambda: len(os.listdir("/proc/self/task")))


class Server(uvicorn.Server):
    """Says where it listens as soon as it does."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                say(SERVICE, "INFO", "listening", url=f"http://{host}:{port}")


def main() -> None:
    parser = argparse.ArgumentParser(description="faiss-wrap in Python")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--wrong", action="store_true", help="with the mistakes that wrong.py lists")
    arguments = parser.parse_args()

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(SERVICE))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])

    registry = prometheus_client.CollectorRegistry()
    own = LlastaMetrics(registry)
    own.build_info(service=SERVICE, version=SCHEMA_VERSION).set(1)
    waiting = pipeline.install(
        SERVICE, SCHEMA_VERSION, lambda result, count: own.telemetry_spans(result=result).inc(count)
    )
    own.telemetry_export_queue_capacity().set(pipeline.CAPACITY)
    own.telemetry_export_queue_length().follow(waiting.length)
    process_metrics(registry)

    metrics = wrong.Metrics(registry) if arguments.wrong else FaissWrapMetrics(registry)
    find = wrong.search if arguments.wrong else search
    say(SERVICE, "INFO", f"OTLP endpoint: {pipeline.endpoint()}")
    if arguments.wrong:
        wrong.lines()
    app = Telemetry(service(Index(), metrics, find, registry), SERVICE, metrics)
    config = uvicorn.Config(
        app, host=arguments.host, port=arguments.port, log_config=None, access_log=False, lifespan="off"
    )
    try:
        Server(config).run()
    except KeyboardInterrupt:
        pass
    finally:
        waiting.shutdown()


if __name__ == "__main__":
    main()
