"""What HTTP asks of every resource, and that those who only ask wait for nobody's pictures."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx2 as httpx
import pytest
from guarded import Guarded, picture, submit, upload

from packshot.server import previews
from packshot.server.api import assets, listings
from packshot.server.api import previews as preview_routes

THREADS = 40
"""That answer plain requests, of Starlette's."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("home"))


def test_head_is_get_without_the_content(guarded: Guarded) -> None:
    asset, job = upload(guarded.http), submit(guarded.http)
    for path in ("/healthz", "/", f"/v1/assets/{asset}/content", f"/v1/assets/{asset}/preview", f"/v1/jobs/{job}"):
        got, head = guarded.http.get(path), guarded.http.head(path)
        assert head.status_code == got.status_code == 200 and head.content == b"", path
        for name in ("content-type", "content-length", "etag", "content-security-policy"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    assert guarded.http.head("/v1/jobs/job_unknown").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/jobs", "GET, HEAD"),
        ("GET", "/v1/understand", "POST"),
        ("OPTIONS", "/v1/assets", "GET, HEAD, POST"),
        ("TRACE", "/v1/assets/asset_1", "DELETE, GET, HEAD, PATCH"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/js/app.js", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_those_that_there_are(
    guarded: Guarded, method: str, path: str, allowed: str
) -> None:
    answer = guarded.http.request(method, path)
    assert answer.status_code == 405 and answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/v1", "/v1/jobs/", "/v1/nothing", "/docs/", "/nothing.js", "/js"])
def test_what_is_not_there_is_not_there_and_leads_nowhere(guarded: Guarded, path: str) -> None:
    answer = guarded.http.get(path, follow_redirects=False)
    assert answer.status_code == 404 or (path == "/js" and answer.headers["location"].endswith(":8333/js/"))


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)), ("bytes=5-", 206, slice(5, None)), ("bytes=-2", 206, slice(-2, None)),
        *((odd, 200, slice(None)) for odd in ("items=0-1", "bytes=5-2", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "",
                                              "bytes=0-" + "9" * 5_000, "bytes=" + "0-0," * 2_000 + "0-0")),
    ],
)  # fmt: skip
def test_ranges_that_make_no_sense_are_as_if_none_were_asked_for(
    guarded: Guarded, asked: str, status: int, part: slice
) -> None:
    data = picture()
    answer = guarded.http.get(f"/v1/assets/{upload(guarded.http, data)}/content", headers={"Range": asked})
    assert answer.status_code == status and answer.content == data[part]


def test_a_range_behind_the_end_is_a_problem_document(guarded: Guarded) -> None:
    data = picture()
    path = f"/v1/assets/{upload(guarded.http, data)}/content"
    answer = guarded.http.get(path, headers={"Range": f"bytes={len(data)}-"})
    assert answer.status_code == 416 and answer.headers["content-range"] == f"bytes */{len(data)}"
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["code"] == "range"


@pytest.mark.parametrize("what", ["upload", "preview", "listing"])
def test_pictures_of_others_keep_nobody_waiting(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than there are threads, none of which ends before the plain request is answered."""
    guarded = Guarded(tmp_path)
    asset, over = upload(guarded.http), threading.Event()

    def slow(*_: object, **__: object) -> None:
        over.wait(60)
        raise AssertionError("only one plain request was to be answered")

    monkeypatch.setattr(assets, "checked_picture", slow)
    monkeypatch.setattr(preview_routes, "preview_of", slow)
    monkeypatch.setattr(listings, "keep_table", slow)

    async def heavy(client: httpx.AsyncClient) -> httpx.Response:
        if what == "preview":
            return await client.get(f"/v1/assets/{asset}/preview", params={"side": min(previews.SIDES_PX)})
        if what == "upload":
            return await client.post("/v1/assets", files={"file": ("p.png", picture(), "image/png")})
        table = {"table": ("t.csv", b"sku,title\n1,red shoe\n", "text/csv")}
        return await client.post("/v1/listings", data={"channels": "ebay"}, files=table)

    async def go() -> int:
        transport = httpx.ASGITransport(guarded.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8333", timeout=60) as client:
            waiting = [asyncio.create_task(heavy(client)) for _ in range(THREADS + 10)]
            await asyncio.sleep(0.5)
            try:
                async with asyncio.timeout(30):
                    plain = await client.get("/v1/jobs")
                    drawn = await client.post("/v1/generations", json={"prompt": "red shoe", "count": 1})
            finally:
                over.set()
                await asyncio.gather(*waiting)
        return plain.status_code + drawn.status_code

    assert asyncio.run(go()) == 200 + 202
