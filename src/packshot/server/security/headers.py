"""What every answer tells browsers: run nothing that is not ours, show no client's file as a page, guess nothing."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""Of what the API answers: even if a browser should take it for a page, nothing in it runs or loads."""

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_SHOWN = (
    "application/json", "application/problem+json", "text/event-stream", "text/plain", "text/csv", "image/png",
    "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif",
)  # fmt: skip
"""Media types that hold no program for browsers; whatever else the API answers is a file to save, of no type."""


class SecurityHeaders:
    """Adds them to every answer of an application's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self.app(scope, receive, adding if scope["type"] == "http" else send)


def _complete(headers: MutableHeaders, path: str) -> None:
    headers.update(_ALWAYS)
    if not path.startswith("/v1"):
        headers["Content-Security-Policy"] = PAGE_POLICY
        headers.setdefault("Cache-Control", "no-cache")  # asked again each time: a new version brings new files
        return
    headers["Content-Security-Policy"] = DATA_POLICY
    headers.setdefault("Cache-Control", "no-store")
    media_type = headers.get("content-type", "").partition(";")[0].strip().casefold()
    if media_type and media_type not in _SHOWN:
        headers["Content-Type"] = media_type if media_type == "application/zip" else "application/octet-stream"
        if not headers.get("content-disposition", "").startswith("attachment"):
            name = headers.get("content-disposition", "").partition(";")[2].strip()
            headers["Content-Disposition"] = f"attachment; {name}" if name else "attachment"
