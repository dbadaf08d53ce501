"""A server as users start it: accepted jobs end once, whatever dies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers import RunningServer, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), "--backend", "fake", "--workers", "2") as running:
        yield running


def test_a_prompt_becomes_pictures(server: RunningServer) -> None:
    body = {"prompt": "红色运动鞋", "count": 3, "seed": 7}
    answer = server.http.post("/v1/generations", json=body, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["status"] == "done" and job["progress"] == 1
    assert len(set(job["result"]["assets"])) == 3
    picture = server.http.get(f"/v1/assets/{job['result']['assets'][0]}/content")
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
