"""What no address may hold: NUL, which PostgreSQL takes in no text, and which no id, word or name has."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from packshot.server.problems import ProblemError, answer


class PlainAddresses:
    """Answers requests with a NUL in their path or query (400); others go on to the application behind."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            error = ProblemError(400, "bad_request", "the address has a NUL character in it; accepted: none")
            await answer(Request(scope), error)(scope, receive, send)
            return
        await self.app(scope, receive, send)
