"""Around everything else: an id for each request, a line in the log and figures for Prometheus when it was answered."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from packshot.server.logs import accepted_request_id, belonging_to

HEADER = "X-Request-ID"
_QUIET = {"/healthz", "/readyz", "/metrics"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_log = logging.getLogger("packshot.access")


class RequestFigures:
    """What Prometheus is told of requests; of this process since it started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = ("method", "route", "status")
        self.answered = Counter("packshot_http_requests", "Requests answered.", names, registry=registry)
        self.seconds = Histogram(
            "packshot_http_request_seconds", "From the head of a request to the end of its answer.", names[:2],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.open = Gauge("packshot_http_requests_open", "Requests being answered.", registry=registry)

    def count(self, request: Request, status: int, seconds: float) -> None:
        """One answer. Routes by their template, so that ids in paths make no series of their own."""
        method = request.method if request.method in _METHODS else "other"
        route = getattr(request.scope.get("route"), "path", "") or "other"
        self.answered.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)


class Observing:
    """Outermost: sees every answer, that of a bug too.

    Args:
        app: what is behind.
        figures: that are kept.
    """

    def __init__(self, app: ASGIApp, figures: RequestFigures) -> None:
        self.app, self.figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, began = Request(scope), time.perf_counter()
        identity = accepted_request_id(request.headers.get(HEADER, ""))
        scope.setdefault("state", {})["request_id"] = identity
        answer = _Answer(send, identity)
        with belonging_to(identity), self.figures.open.track_inprogress():
            try:
                await self.app(scope, receive, answer)
            except Exception:
                if not answer.complete:  # a bug that was answered is in the log already, see problems.py
                    raise
            finally:
                seconds = time.perf_counter() - began
                self.figures.count(request, answer.status, seconds)
                _tell(request, answer, seconds)


class _Answer:
    """An answer as it goes out; status 499 until its head did, as nginx calls a client that left before."""

    def __init__(self, send: Send, identity: str) -> None:
        self._send, self._identity = send, identity
        self.status, self.bytes, self.complete = 499, 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[HEADER] = self._identity
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)


def _tell(request: Request, answer: _Answer, seconds: float) -> None:
    """Into the access log; without the query, which may hold words of a customer's."""
    path = request.scope["path"]
    principal = request.scope.get("state", {}).get("principal")
    client = request.client.host if request.client else ""
    level = logging.DEBUG if path in _QUIET and answer.status < 400 else logging.INFO
    facts = {
        "client": client, "key": principal.id if principal else "", "method": request.method, "path": path[:500],
        "status": answer.status, "bytes": answer.bytes, "seconds": round(seconds, 4),
    }  # fmt: skip
    shown = path[:500].encode("unicode_escape").decode("ascii")  # no line of a client's own making
    _log.log(level, "%s %s %d in %.0f ms", request.method, shown, answer.status, seconds * 1000, extra=facts)
