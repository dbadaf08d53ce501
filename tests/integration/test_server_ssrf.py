"""No route, and no job that it leads to, opens a path or a URL of the client's choosing."""

from __future__ import annotations

import io
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest
from canaries import Canaries, canaries
from openapi_requests import Operation, operations
from PIL import Image
from servers import RunningServer, serving

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")]

AT_ONCE = 6
"""Operations: while the jobs of one make its next request wait, others are tried."""


@pytest.fixture(scope="module")
def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, picture: bytes) -> Iterator[Canaries]:
    with canaries(tmp_path_factory.mktemp("ssrf") / "canaries", picture) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "2") as running:
        yield running


def test_no_string_of_a_request_is_opened_as_a_path_or_url(
    server: RunningServer, watched: Canaries, picture: bytes
) -> None:
    document = server.http.get("/openapi.json").json()
    ids = {"asset_id": _uploaded(server.http, picture), "job_id": "job_" + "0" * 31}
    everything = [*operations(document), *_edits(server.http, document)]
    everything.sort(key=lambda one: not one.path.startswith(("/v1/listings", "/v1/trainings")))  # those take longest
    with ThreadPoolExecutor(AT_ONCE) as pool:  # a failure's place may then be that of one beside it
        tried = list(pool.map(lambda one: _tried(server.http, one, ids, watched, picture), everything))
    assert sum(tried) > 500
    _await_all_jobs(server.http)
    assert not watched.requests and not watched.opened
    assert watched.file.read_bytes() == picture and watched.opened  # the canary was watched all the time
    with urllib.request.urlopen(watched.url) as reply:
        assert reply.status == 200 and watched.requests


def _tried(http: httpx.Client, operation: Operation, ids: dict[str, str], watched: Canaries, picture: bytes) -> int:
    """Ask with every text at every place of an operation; how often that was."""
    tried = 0
    if operation.path.endswith("/events"):
        return tried  # stays open; its only string is the id, as that of /v1/jobs/{job_id}
    for turn, (where, name) in enumerate(operation.places()):
        for text in _texts(watched, turn):
            if operation.method == "DELETE" and "{asset_id}" in operation.path:
                ids = {**ids, "asset_id": _uploaded(http, picture)}
            answer = _sent(http, operation, ids, picture, where, name, text)
            place = f"{operation.method} {operation.path} {where} {name} = {text}"
            assert answer.status_code < 500, f"{place}: {answer.text}"
            assert not watched.requests, place
            assert not watched.opened, place
            tried += 1
    return tried


def _uploaded(http: httpx.Client, picture: bytes) -> str:
    """The id of a new asset."""
    return str(http.post("/v1/assets", files={"file": ("p.png", picture, "image/png")}).json()["id"])


def _edits(http: httpx.Client, document: dict[str, Any]) -> list[Operation]:
    """An edit by each operation there is, with a place at each of its arguments."""
    if "/v1/edits" not in document["paths"]:
        return []
    edits = []
    for one in http.get("/v1/operations").json()["operations"]:
        needed = {parameter["name"]: 1 if parameter["type"] != "string" else "red" for parameter in one["parameters"]
                  if parameter["required"]}  # fmt: skip
        places = [("steps", 0, parameter["name"]) for parameter in one["parameters"] if parameter["type"] == "string"]
        body = {"photo": "asset_", "steps": [{"op": one["name"], **needed}]}
        edits.append(Operation("POST", "/v1/edits", json=body, fields=places))
    return edits


def _texts(watched: Canaries, turn: int) -> tuple[str, str, str]:
    """The file and the server, and by turns two other ways to say the file."""
    file = str(watched.file)
    return file, watched.url, (f"file://{file}", f"{'../' * 12}{file.lstrip('/')}")[turn % 2]


def _sent(http: httpx.Client, operation: Operation, ids: dict[str, str], picture: bytes, where: str, name: object,
          text: str) -> httpx.Response:  # fmt: skip
    """Once more after a moment where the queue is full: a job that is refused proves nothing."""
    for _ in range(300):
        answer = operation.send(http, ids, picture, where=where, name=name, text=text)
        if answer.status_code != 429:
            return answer
        time.sleep(0.1)
    raise AssertionError("the queue stays full")


def _await_all_jobs(http: httpx.Client) -> None:
    for _ in range(600):
        waiting = http.get("/v1/jobs", params={"status": ["queued", "running"]}).json()["jobs"]
        if not waiting:
            return
        time.sleep(0.1)
    raise AssertionError(f"{len(waiting)} jobs still wait")
