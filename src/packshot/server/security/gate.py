"""The one door for requests: which host they name, which page sent them, who asks, and how often.

It stands before anything of the body is read. On a server that never had a key, and that only this machine reaches,
everything is allowed, but to other web pages in the same browser: those could send requests (CSRF) or make a name of
their own point here (DNS rebinding). Everywhere else a key is asked for, or the cookie of a session begun with one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from packshot.server.problems import ProblemError, answer, database_away
from packshot.server.security.failures import Failures
from packshot.server.security.keys import Key, Keys
from packshot.server.security.scopes import LOCAL, Principal, wanted
from packshot.server.settings import Settings

COOKIE = "packshot_session"
LOOK_SECONDS = 1.0
"""How long a server without keys takes to see that there is one now."""

_FORGET = f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=strict"
_LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_PORT = re.compile(r":[0-9]{0,5}\Z")
_T = TypeVar("_T")


class Gate:
    """Lets requests through, with `request.state.principal` set, or answers them itself.

    Args:
        app: what is behind.
        settings: of the server.
        keys: of its database.
    """

    def __init__(self, app: ASGIApp, settings: Settings, keys: Keys) -> None:
        self.app, self.settings, self.keys = app, settings, keys
        self.failures = Failures()
        self._had_keys, self._looked = False, -LOOK_SECONDS
        # Of its own: who may come in must not wait until uploads are through with the threads that they share.
        self._threads = anyio.CapacityLimiter(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        headers: dict[str, str] = {}
        try:
            principal = await self._admitted(request, headers)
        except ProblemError as error:
            error.headers.update(headers)
            await answer(request, error)(scope, receive, send)
            return
        except (OperationalError, PoolError) as error:
            await answer(request, database_away(error))(scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        await self.app(scope, receive, _with(headers, send) if headers else send)

    async def _admitted(self, request: Request, headers: MutableMapping[str, str]) -> Principal | None:
        """Who asks; None where that does not matter. Fills in headers of the answer, or raises ProblemError."""
        needed = wanted(request.method, request.scope["path"])
        if not await self._keys_are_asked_for():
            _insist_on_own_host(request, self.settings.host)
            _insist_on_own_page(request)
            return LOCAL
        if needed is not None and not needed:
            return None
        key = await self._key(request)
        if needed is None:
            needed = frozenset({"admin"})
        if not key.principal.may(needed):
            accepted = " or ".join(sorted(needed))
            detail = f"the key '{key.name}' may {', '.join(key.scopes)}; accepted: one that may {accepted}"
            raise ProblemError(403, "scope", detail, scopes=sorted(needed))
        await self._insist_on_rate(key, headers)
        return key.principal

    async def _keys_are_asked_for(self) -> bool:
        if self._had_keys or not self.settings.on_loopback:
            return True
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._had_keys = await self._run(self.keys.any_ever)
            self._looked = now
        return self._had_keys

    async def _key(self, request: Request) -> Key:
        """The key that is shown, by itself or by a session's cookie."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        token = request.cookies.get(COOKIE, "")
        key: Key | None = None
        if kind.casefold() == "bearer":
            key = await self._run(self.keys.found, text.strip())
        elif token:
            _insist_on_own_page(request)
            key = await self._run(self.keys.of_session, token)
        elif not kind:
            raise _unknown("no key; accepted: Authorization: Bearer KEY, as packshot keys create shows it")
        if key is None:
            client = request.client
            if seconds := self.failures.count(client.host if client else ""):
                error = _too_often("too many keys that are none from this address", seconds)
            else:
                error = _unknown("a key that is none, or no more; packshot keys create makes one")
            if kind.casefold() != "bearer":  # lest a page with many pictures shows it for each of them
                error.headers["Set-Cookie"] = _FORGET
            raise error
        return key

    async def _insist_on_rate(self, key: Key, headers: MutableMapping[str, str]) -> None:
        """Count the request; fields by draft-ietf-httpapi-ratelimit-headers-10."""
        left = await self._run(self.keys.take, key)
        headers["RateLimit-Policy"] = f'"key";q={key.per_minute};w=60'
        headers["RateLimit"] = f'"key";r={left.left};t={_whole(left.seconds)}'
        if not left.granted:
            raise _too_often(f"the key '{key.name}' may ask {key.per_minute} times a minute", left.seconds)

    async def _run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._threads)


def _insist_on_own_host(request: Request, host: str) -> None:
    """A page whose name was made to point here names itself; a proxy says that it asks for others."""
    name = _PORT.sub("", request.headers.get("host", "").casefold())
    if name not in {*_LOOPBACK_NAMES, host.casefold(), f"[{host.casefold()}]"}:
        detail = f"Host: got '{name[:80]}'; accepted: localhost, 127.0.0.1 or [::1] as long as there is no key"
        raise ProblemError(421, "unknown_host", detail)
    if found := [header for header in _FORWARDED if header in request.headers]:
        detail = f"a proxy's header {found[0]}; accepted: requests of this machine's, as long as there is no key"
        raise ProblemError(403, "proxy_without_keys", detail)


def _insist_on_own_page(request: Request) -> None:
    """What another web page made the browser send is refused, but for following a link to the page.

    Browsers say so in Sec-Fetch-Site, those that do not in Origin; neither header can be set by a page.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None:
        own = origin is None or origin.partition("://")[2].casefold() == request.headers.get("host", "").casefold()
    else:
        own = site in ("same-origin", "none")
    mode, target = request.headers.get("sec-fetch-mode"), request.headers.get("sec-fetch-dest")
    followed = request.method == "GET" and mode == "navigate" and target == "document"
    if not own and not (followed and not request.scope["path"].startswith("/v1")):
        raise ProblemError(
            403, "other_page", "another web page sent this; accepted: this server's own page, or no page"
        )


def _unknown(detail: str) -> ProblemError:
    return ProblemError(401, "no_valid_key", detail, {"WWW-Authenticate": 'Bearer realm="packshot"'})


def _too_often(detail: str, seconds: float) -> ProblemError:
    whole = _whole(seconds)
    return ProblemError(429, "too_often", f"{detail}; try again in {whole} s", {"Retry-After": str(whole)})


def _whole(seconds: float) -> int:
    return max(1, int(seconds) + 1)


def _with(headers: dict[str, str], send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return adding
