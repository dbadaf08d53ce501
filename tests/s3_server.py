"""An S3 server of our own on loopback (moto, in its own process), and a proxy before it that fails as stores do."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

KEY, SECRET = "AKIAPACKSHOTTESTS000", "not/aSecretButLooks+LikeOne0123456789abcd"
FAULTS = ("500", "503", "closed before", "closed after", "torn request", "cut answer")
_CODES = {"403": "AccessDenied", "500": "InternalError", "503": "ServiceUnavailable"}
_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


def environment(endpoint: str) -> dict[str, str]:
    """Variables by which botocore finds the server, and neither a user's own keys nor a machine's."""
    plain = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
    return {**plain, **nothing, **keys, "AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Run a server; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def bucket(log: Path, name: str) -> Iterator[str]:
    """Run a server with a bucket, which this process's `s3://` means until the block ends; gives its URL."""
    import pytest

    from packshot.listing.remote import file_system

    with s3_server(log) as address, pytest.MonkeyPatch.context() as patch:
        for variable, value in environment(address).items():
            patch.setenv(variable, value)
        file_system.cache_clear()
        file_system("s3").mkdir(name)
        yield f"s3://{name}"
        file_system.cache_clear()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < until, log.read_text("utf-8", errors="replace")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)


class FlakyProxy(ThreadingHTTPServer):
    """Passes requests on to a server, but for a share of them.

    Args:
        server: address of the server.
        share: of requests that fail, in one of the ways of `FAULTS`.
        seed: of the choice.

    Attributes:
        told: method and path of every request so far.
        forbids: says of a method and path whether the answer is 403.
    """

    daemon_threads = True

    def __init__(self, server: str, share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.share, self.random = server.removeprefix("http://"), share, random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.told: list[tuple[str, str]] = []
        self.forbids: Callable[[str, str], bool] = lambda method, path: False
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def failed(self) -> int:
        """Requests so far that failed."""
        return self.seen.total() - self.seen[""]

    def fate(self, method: str, path: str) -> str:
        """What becomes of a request: empty where it is passed on."""
        with self.lock:
            self.told.append((method, path))
            if self.forbids(method, path):
                return "403"
            fails, how = self.random.random() < self.share, self.random.choice(FAULTS)
            self.seen[how if fails else ""] += 1
        return how if fails else ""

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are nothing to be told."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyProxy

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.server.fate(self.command, unquote(urlsplit(self.path).path))
        if fate in _CODES:
            answer = f"<Error><Code>{_CODES[fate]}</Code><Message>{_CODES[fate]} by the proxy</Message></Error>"
            return self._answer(int(fate), {}, answer.encode())
        if fate == "closed before":
            return self._hang_up()
        if fate == "torn request":
            self._tear(body)
            return self._hang_up()
        status, headers, answer = self._forward(body)
        if fate == "closed after":
            return self._hang_up()
        return self._answer(status, headers, answer, cut=fate == "cut answer")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.server.upstream, timeout=30)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            return answer.status, kept, answer.read()
        finally:
            connection.close()

    def _tear(self, body: bytes) -> None:
        """The server gets half of what it was promised."""
        connection = HTTPConnection(self.server.upstream, timeout=5)
        with suppress(OSError, HTTPException):
            connection.putrequest(self.command, self.path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in (*_HOP, "host"):
                    connection.putheader(name, value)
            connection.endheaders(body[: len(body) // 2])
        connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        told = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", told or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def flaky_proxy(server: str, share: float, seed: int = 1) -> Iterator[FlakyProxy]:
    """Run a proxy in a thread; see `FlakyProxy`."""
    with FlakyProxy(server, share, seed) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
