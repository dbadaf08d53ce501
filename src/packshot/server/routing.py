"""What HTTP asks of every resource (RFC 9110): HEAD wherever there is GET, 405 that says what else there is."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers HEAD with what GET would answer, without the content (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b""})  # and no more: a stream would never end

        await self.app({**scope, "method": "GET"}, receive, head)


class Below(Mount):
    """Files at paths that no route knows: with another method, a route's path is that route's to refuse."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As if only the method were wrong: whoever comes before goes first."""
        match, inner = super().matches(scope)
        return (Match.PARTIAL if match is Match.FULL else match), inner


def allowed(document: dict[str, Any], path: str) -> str:
    """The methods of a path, for `Allow` (RFC 9110, 10.2.1): those of every route there, not of the first.

    Args:
        document: of OpenAPI.
        path: as asked for.
    """
    for template, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            methods = {method.upper() for method in operations}
            return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return "GET, HEAD"
