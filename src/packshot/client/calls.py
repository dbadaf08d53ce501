"""Requests and answers: JSON, multipart, problem documents, trying again where a server is busy. Knows no routes."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

File = bytes | Path | str
"""Content, or the path of a file."""

_PIECE = 1 << 16
_SENDABLE = re.compile(r"[\x21-\x7e]+")
"""What a header may hold of a key."""


class ClientError(Exception):
    """Base of this client's errors."""


class ServerError(ClientError):
    """The server refused, or failed.

    Attributes:
        status: of HTTP.
        code: for programs, such as `refused` or `busy`.
        detail: one line for people.
        document: the whole problem document.
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status, self.document = status, dict(document)
        self.code, self.detail = str(document.get("code", "")), str(document.get("detail", ""))
        super().__init__(f"{status} {self.code}: {self.detail}")


class JobFailedError(ClientError):
    """A job that was waited for failed, or was cancelled.

    Attributes:
        job: as it ended.
    """

    def __init__(self, job: Any) -> None:
        self.job = job
        super().__init__(f"{job.kind} {job.id} is {job.status}: {(job.error or {}).get('detail', 'no reason')}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read whole."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self) -> Any:
        """Its document."""
        return json.loads(self.data)


class Calls:
    """One connection to a server, opened anew when it was closed. Of one thread.

    Args:
        url: of the server.
        key: API key; empty for none. White space around it, as of a file's last line, is no part of it.
        seconds: to wait for an answer.
        tries: how often a request is made where the server is busy (429, 503) or the connection breaks.

    Raises:
        ValueError: an address or a key that can't be sent.
    """

    def __init__(self, url: str, key: str, seconds: float, tries: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"no address of a server: {url!r}")
        key = key.strip()
        if key and not _SENDABLE.fullmatch(key):  # said without the key, which errors must not tell
            raise ValueError("no API key: it has characters that no key has; accepted: packshot_…, whole and alone")
        self._parts, self._key, self._seconds, self._tries = parts, key, seconds, tries
        self._connection = self._new(seconds)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, document: Any = None,
        fields: Sequence[tuple[str, str]] = (), files: Sequence[tuple[str, str, bytes]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """Ask, and wait for the whole answer.

        A request that may have come through is only made again if it does no harm: a GET, or with an idempotency key.

        Raises:
            ServerError: the answer is a problem.
            ClientError: there is none.
        """
        body, kind = _body(document, fields, files)
        sent = {**self._usual(), **({"Content-Type": kind} if kind else {}), **(headers or {})}
        harmless = method == "GET" or "Idempotency-Key" in sent
        for left in range(self._tries - 1, -1, -1):
            try:
                answer = self._once(self._connection, method, self._target(path, query), body, sent)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if not left or not (harmless or isinstance(error, ConnectionRefusedError)):
                    raise ClientError(f"no answer from {self._parts.netloc}: {_said(error)}") from None
                time.sleep(0.2)
                continue
            if answer.status in (429, 503) and left:
                time.sleep(_pause(answer))
            elif answer.status >= 400:
                raise ServerError(answer.status, _problem(answer))
            else:
                return answer
        raise AssertionError("the last try returns or raises")

    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Pieces of an answer, as they come, over a connection of its own.

        Raises:
            ServerError: the answer is a problem, also after waiting as often as `ask` does.
            ClientError: the connection breaks.
        """
        connection, sent = self._new(self._seconds), {**self._usual(), **(headers or {})}
        try:
            for left in range(self._tries - 1, -1, -1):
                connection.request("GET", self._target(path, None), headers=sent)
                answer = connection.getresponse()
                if answer.status < 400:
                    break
                refusal = _whole(answer)
                if answer.status not in (429, 503) or not left:
                    raise ServerError(answer.status, _problem(refusal))
                time.sleep(_pause(refusal))
            while piece := answer.read1(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise ClientError(f"{self._parts.netloc} broke off: {_said(error)}") from None
        finally:
            connection.close()

    def _once(self, connection: http.client.HTTPConnection, method: str, target: str, body: bytes | None,
              headers: Mapping[str, str]) -> Answer:  # fmt: skip
        connection.request(method, target, body, dict(headers))
        return _whole(connection.getresponse())

    def _new(self, seconds: float) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, self._parts.port, timeout=seconds, context=context)
        return http.client.HTTPConnection(host, self._parts.port, timeout=seconds)

    def _usual(self) -> dict[str, str]:
        return {"Accept": "*/*", **({"Authorization": f"Bearer {self._key}"} if self._key else {})}

    def _target(self, path: str, query: Mapping[str, Any] | None) -> str:
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        asked = f"?{urlencode(given, doseq=True)}" if given else ""
        return self._parts.path.rstrip("/") + quote(path, safe="/%") + asked


def _whole(answer: http.client.HTTPResponse) -> Answer:
    return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())


def content_of(file: File) -> tuple[str, bytes]:
    """A name for a file, and its content."""
    if isinstance(file, bytes):
        return "file", file
    path = Path(file)
    return path.name, path.read_bytes()


def _body(document: Any, fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, str, bytes]]
          ) -> tuple[bytes | None, str]:  # fmt: skip
    if not fields and not files:
        return (None, "") if document is None else (json.dumps(document).encode(), "application/json")
    boundary = secrets.token_hex(16)
    parts = [_part(boundary, f'name="{name}"', value.encode()) for name, value in fields]
    parts += [
        _part(boundary, f'name="{name}"; filename="{_quoted(filename)}"', data, "application/octet-stream")
        for name, filename, data in files
    ]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, said: str, data: bytes, kind: str = "") -> bytes:
    lines = [f"--{boundary}", f"Content-Disposition: form-data; {said}", *([f"Content-Type: {kind}"] if kind else [])]
    return "\r\n".join([*lines, "", ""]).encode() + data + b"\r\n"


def _quoted(filename: str) -> str:
    """As browsers do (WHATWG HTML, multipart/form-data)."""
    return filename.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _pause(answer: Answer) -> float:
    said = answer.headers.get("retry-after", "")
    return min(60.0, float(said)) if said.isdecimal() else 1.0


def _problem(answer: Answer) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return {"code": "error", "detail": answer.data[:200].decode(errors="replace")}
    return document
