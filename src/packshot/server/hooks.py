"""Webhooks of the operator's: which there are, how a message is signed, and sending one. Knows no database.

Clients name a hook; its address and secret stand in a file of the operator's. No client ever says an address.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from packshot.errors import InputError

FILE = "webhooks.toml"
"""In the server's home: a table for each hook, with `url` and `secret`."""

SIGNATURE = "Packshot-Signature"
SHORTEST_SECRET = 16
SEND_SECONDS = 10.0
_ACCEPTED = 'tables such as [shop] with url = "https://…" and secret = "…" of 16 characters or more'


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the ends of jobs are told.

    Attributes:
        name: as clients say it.
        url: http or https.
        secret: that messages are signed with.
    """

    name: str
    url: str
    secret: str


def load_hooks(home: Path) -> dict[str, Hook]:
    """The operator's hooks by name; none where there is no file.

    Raises:
        InputError: the file can't be read, or says something else.
    """
    path = home / FILE
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(path, error.strerror or "an error", "a file that can be read") from None
    except ValueError as error:
        raise InputError(path, f"no TOML ({str(error).splitlines()[0]})", _ACCEPTED) from None
    return {name: _hook(path, name, table) for name, table in tables.items()}


def signature(secret: str, body: bytes, seconds: float | None = None) -> str:
    """The header that says who sent a body and when.

    `t=SECONDS,v1=HEX`: HMAC-SHA256 (RFC 2104) of the seconds since 1970, a point and the body.
    """
    stamp = str(int(time.time() if seconds is None else seconds))
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def send(hook: Hook, body: bytes, delivery: str, seconds: float = SEND_SECONDS) -> str:
    """Tell a hook something; what went wrong, in words, or nothing where it answered with 200 to 299.

    Redirects are not followed.
    """
    parts = urlsplit(hook.url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "packshot",
        "Packshot-Delivery": delivery,
        SIGNATURE: signature(hook.secret, body),
    }
    connection = _connection(parts, seconds)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        connection.close()
    return "" if 200 <= status < 300 else f"answered with status {status}"


def _connection(parts: SplitResult, seconds: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, parts.port, timeout=seconds)


def _hook(path: Path, name: str, table: object) -> Hook:
    if not isinstance(table, dict) or set(table) != {"url", "secret"}:
        got = ", ".join(table) if isinstance(table, dict) else "no table"
        raise InputError(path, f"'{name}' with {got or 'nothing'}", _ACCEPTED)
    url, secret = str(table["url"]), str(table["secret"])
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(path, f"'{name}' with the url {url}", _ACCEPTED)
    if len(secret) < SHORTEST_SECRET:
        raise InputError(path, f"'{name}' with a secret of {len(secret)} characters", _ACCEPTED)
    return Hook(name, url, secret)
