"""How much and how slowly a client may send: counted while it comes in, whatever Content-Length said."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from packshot.server.problems import ProblemError, answer
from packshot.server.settings import MEGABYTE, Settings

PLAIN_BYTES = 4 * MEGABYTE
"""Of a body that is no form: JSON."""

FORM_FILES = 4
"""A form may be as large as so many of the largest files; more go up one by one."""

WITH_ARCHIVES = ("/v1/listings", "/v1/trainings")
"""Forms for these may be as large as the largest archive."""

FORM_PARTS = 200
"""Files of a form, and as many other fields."""

FIELD_BYTES = 256_000
"""Of a field that is no file."""

IDLE_SECONDS = 15.0
GRACE_SECONDS = 20.0
SLOWEST_BYTES_PER_SECOND = 4_000.0
"""After the grace; slower than any telephone line that still carries pictures."""


class BodyLimits:
    """Ends requests whose body is too large (413) or comes too slowly (408), before more of it is read.

    Args:
        app: what is behind.
        settings: of the server: the largest file and archive.
        idle_seconds: between two pieces of a body; for tests.
        grace_seconds: before the average counts; for tests.
    """

    def __init__(self, app: ASGIApp, settings: Settings, idle_seconds: float = IDLE_SECONDS,
                 grace_seconds: float = GRACE_SECONDS) -> None:  # fmt: skip
        self.app, self.idle_seconds, self.grace_seconds = app, idle_seconds, grace_seconds
        self.form_bytes = FORM_FILES * settings.upload_bytes + MEGABYTE
        self.archive_bytes = settings.archive_bytes + MEGABYTE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        most = PLAIN_BYTES
        if request.headers.get("content-type", "").casefold().startswith("multipart/form-data"):
            most = self.archive_bytes if scope["path"].startswith(WITH_ARCHIVES) else self.form_bytes
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            error = ProblemError(413, "too_large", _too_large(most), {"Connection": "close"})
            await answer(request, error)(scope, receive, send)
            return
        await self.app(scope, self._counted(receive, most), send)

    def _counted(self, receive: Receive, most: int) -> Receive:
        loop, began, got, over = asyncio.get_running_loop(), 0.0, 0, False

        async def counted() -> Message:
            nonlocal began, got, over
            if over:  # only waiting for the client to go, which may take as long as it likes
                return await receive()
            began = began or loop.time()
            try:
                async with asyncio.timeout(self.idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise _slow(f"nothing came for {self.idle_seconds:g} s") from None
            got += len(message.get("body", b""))
            over = not message.get("more_body", False)
            if got > most:
                raise HTTPException(413, _too_large(most), {"Connection": "close"})
            taken = loop.time() - began
            if not over and taken > self.grace_seconds and got < taken * SLOWEST_BYTES_PER_SECOND:
                raise _slow(f"{got} bytes in {taken:.0f} s")
            return message

        return counted


def _too_large(most: int) -> str:
    return f"the request has more than {most / MEGABYTE:,.0f} MB"


def _slow(got: str) -> HTTPException:
    return HTTPException(408, f"the body comes too slowly: {got}", {"Connection": "close"})
