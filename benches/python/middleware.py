"""SERVER span, metrics and access line of each request, as the contract says."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, Awaitable, Callable, Dict, MutableMapping, Optional

from opentelemetry import propagate

from llasta_schema import FaissWrapMetrics, HttpServer, log_line

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split())
# Each route and the operation it is; whoever scrapes is not counted.
OPERATIONS = {"/search": "search", "/upsert": "upsert", "/reset": "reset", "/health": "health"}
UNSEEN = "/metrics"


def say(service: str, level: str, message: str, **fields: Any) -> None:
    """One line of the log."""
    sys.stdout.write(log_line(service, level, "faiss_wrap", message, fields) + "\n")
    sys.stdout.flush()


class Telemetry:
    """Outermost, so that it sees the answer to an exception too."""

    def __init__(self, app: App, service: str, metrics: FaissWrapMetrics) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == UNSEEN:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        path: str = scope["path"]
        operation = OPERATIONS.get(path)
        endpoint: Any = operation or "unmatched"
        self._metrics.requests_in_flight(endpoint=endpoint).inc()
        with self._span(scope, path if operation else None) as span:
            exchange = Exchange(receive, send)
            try:
                await self._app(scope, exchange.receive, exchange.send)
            except asyncio.CancelledError:
                exchange.gone = True
                raise
            except Exception as error:  # The answer 500 has been sent.
                span.fail(type(error).__name__, str(error))
                say(self._service, "ERROR", "the request failed", error=repr(error))
            finally:
                outcome: Any = self._settle(span, exchange)
                seconds = time.perf_counter() - began
                self._metrics.requests_in_flight(endpoint=endpoint).dec()
                self._metrics.requests(endpoint=endpoint, status=outcome).inc()
                self._metrics.request_latency_seconds(endpoint=endpoint).observe(seconds)
                say(
                    self._service,
                    "INFO",
                    "request",
                    method=scope["method"],
                    path=path,
                    status=exchange.status,
                    outcome=outcome,
                    duration_seconds=seconds,
                )

    def _span(self, scope: Scope, route: Optional[str]) -> HttpServer:
        headers: Dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        word = "HTTP" if method == "_OTHER" else method
        span = Request(
            f"{word} {route}" if route else word,
            http_request_method=method,
            url_path=scope["path"],
            url_scheme=scope.get("scheme", "http"),
            parent=propagate.extract(headers),
        )
        span.scope, span.headers, span.route = scope, headers, route
        return span

    @staticmethod
    def _settle(span: HttpServer, exchange: "Exchange") -> str:
        if exchange.status is not None:
            span.http_response_status_code(exchange.status)
        if exchange.gone and not exchange.done:
            span.fail("client_disconnect")
            return "cancelled"
        if exchange.status is None or exchange.status >= 500:
            if not span.failed:
                span.fail(str(exchange.status or 500))
            return "error"
        return "error" if span.failed else "success"


class Request(HttpServer):
    """With what the connection says, once the span has begun."""

    scope: Scope
    headers: Dict[str, str]
    route: Optional[str]

    def __enter__(self) -> "Request":
        super().__enter__()
        if self.route:
            self.http_route(self.route)
        if self.scope["method"] not in METHODS:
            self.http_request_method_original(self.scope["method"])
        server = self.scope.get("server")
        if server:
            self.server_address(server[0])
            if server[1]:
                self.server_port(server[1])
        self.network_protocol_version(self.scope.get("http_version", "1.1"))
        if "user-agent" in self.headers:
            self.user_agent_original(self.headers["user-agent"])
        return self


class Exchange:
    """What has been sent of the answer, and whether somebody still listens."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.status: Optional[int] = None
        self.done = False
        self.gone = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.done = True
