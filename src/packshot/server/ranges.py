"""Parts of files (RFC 9110, 14): what a client may ask for, and how it is told that there is none."""

from __future__ import annotations

import re
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from packshot.server.problems import ProblemError, answer, documented

PARTS: dict[int | str, dict[str, Any]] = {206: {"description": "The range of bytes asked for."}, **documented(416)}
"""For the `responses` of routes that send files."""

_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})")


class PlainRanges:
    """Lets through ranges of bytes that make sense, one at a time; others are as if nobody had asked (RFC 9110, 14.2).

    One that begins behind the end of a file is answered with 416 (15.5.17), as a problem document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        asked = [value for name, value in scope.get("headers", ()) if name == b"range"]
        if scope["type"] != "http" or not asked:
            await self.app(scope, receive, send)
            return
        if len(asked) > 1 or not _makes_sense(asked[0]):
            plain = [(name, value) for name, value in scope["headers"] if name != b"range"]
            await self.app({**scope, "headers": plain}, receive, send)
            return
        beyond: dict[str, str] = {}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 416:
                beyond.update(MutableHeaders(raw=message["headers"]).items())
            elif not beyond:
                await send(message)

        await self.app(scope, receive, watched)
        if beyond:
            error = ProblemError(
                416, "range", "the range begins behind the end", {"Content-Range": beyond["content-range"]}
            )
            await answer(Request(scope), error)(scope, receive, send)


def _makes_sense(value: bytes) -> bool:
    found = _RANGE.fullmatch(value)
    first, last = found.groups() if found else (b"", b"")
    return bool(first or last) and not (first and last and int(first) > int(last))
