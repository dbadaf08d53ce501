"""A server as users start it: accepted jobs end once, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import postgresql
import pytest
from servers import RunningServer, serving

FAKE = ("--backend", "fake", "--workers", "2")
LONG = {"prompt": "red shoe", "count": 16, "size": 1024, "seed": 1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("home"), *FAKE) as running:
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
    again = server.http.post("/v1/generations", json=body, headers={"Prefer": "wait=20"}).json()
    contents = [server.http.get(f"/v1/assets/{one['result']['assets'][0]}").json()["sha256"] for one in (job, again)]
    assert contents[0] == contents[1]


def test_a_mistake_is_a_problem_document_and_no_job(server: RunningServer) -> None:
    before = server.http.get("/v1/jobs").json()["jobs"]
    wrong: list[dict[str, Any]] = [
        {"prompt": " "}, {"prompt": "shoe", "count": 17}, {"prompt": "shoe", "size": 9}, {"prompt": "shoe", "odd": 1},
        {"prompt": "shoe", "like": "/etc/passwd"}, {"prompt": "shoe", "background": "/etc/passwd"},
        {"prompt": "shoe", "pack": "../packs/base"}, {"prompt": "shoe", "format": "jpg", "background": "transparent"},
    ]  # fmt: skip
    for body in wrong:
        answer = server.http.post("/v1/generations", json=body)
        assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json", body
        assert answer.json()["detail"].count("\n") == 0 and answer.json()["status"] == 422
    assert server.http.get("/v1/jobs").json()["jobs"] == before
    assert server.http.get("/v1/jobs/job_unknown").status_code == 404


def test_digits_that_are_no_decimals_are_no_number(server: RunningServer) -> None:
    superscript = "²".encode("latin-1")
    headers = [(b"Prefer", b"wait=" + superscript)]
    answer = server.http.post("/v1/generations", json={"prompt": "red shoe", "count": 1}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    events = server.http.get(answer.headers["location"] + "/events", headers=[(b"Last-Event-ID", superscript)])
    assert events.status_code == 200 and "event: job" in events.text


def test_a_job_can_be_followed(server: RunningServer) -> None:
    job = server.http.post("/v1/generations", json={**LONG, "count": 4}).json()
    seen: list[dict[str, Any]] = []
    with server.http.stream("GET", f"/v1/jobs/{job['id']}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                seen.append(json.loads(line[5:]))
    progress = [one["progress"] for one in seen]
    assert seen[-1]["status"] == "done" and progress == sorted(progress) and progress[-1] == 1
    assert len(seen) >= 3


def test_a_question_for_the_head_of_a_stream_ends(server: RunningServer) -> None:
    with server.halted():
        job = server.http.post("/v1/generations", json={"prompt": "red shoe", "count": 1}).json()
        head = server.http.head(f"/v1/jobs/{job['id']}/events", timeout=20)
    assert head.status_code == 200 and head.headers["content-type"].startswith("text/event-stream")


def test_the_same_idempotency_key_is_the_same_job(server: RunningServer) -> None:
    headers = {"Idempotency-Key": "order-66"}
    body = {"prompt": "blue backpack", "count": 1, "seed": 3}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.http.post("/v1/generations", json=body, headers=headers), range(4)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = server.http.post("/v1/generations", json={**body, "count": 2}, headers=headers)
    assert other.status_code == 422 and other.json()["code"] == "idempotency_key_reused"


def test_a_running_job_can_be_cancelled_and_done_again(server: RunningServer) -> None:
    job = server.http.post("/v1/generations", json=LONG).json()
    until(lambda: read(server, job["id"])["status"] == "running")
    server.http.post(f"/v1/jobs/{job['id']}/cancel")
    ended = until(lambda: (found := read(server, job["id"]))["status"] == "cancelled" and found)
    assert ended["result"] is None
    again = server.http.post(f"/v1/jobs/{job['id']}/retry")
    assert again.status_code == 202 and again.json()["id"] != job["id"]
    server.http.post(f"/v1/jobs/{again.json()['id']}/cancel")
    assert server.http.post(f"/v1/jobs/{again.json()['id']}/retry").status_code in (202, 409)


def test_uploads_are_believed_by_content(server: RunningServer) -> None:
    body, wait = {"prompt": "shoe", "count": 1}, {"Prefer": "wait=20"}
    answer = until(lambda: (found := server.http.post("/v1/generations", json=body, headers=wait)).status_code == 200
                   and found)  # fmt: skip
    job = answer.json()
    data = server.http.get(f"/v1/assets/{job['result']['assets'][0]}/content").content
    good = server.http.post("/v1/assets", files={"file": ("../../a<b>.exe", data, "text/html")})
    assert good.status_code == 201 and good.json()["media_type"] == "image/png"
    assert "/" not in good.json()["name"] and "<" not in good.json()["name"]
    for content in (b"", b"<svg onload=alert(1)>", data[: len(data) // 2]):
        bad = server.http.post("/v1/assets", files={"file": ("a.png", content, "image/png")})
        assert bad.status_code == 415 and bad.json()["code"] == "refused"


def test_a_busy_server_says_when_to_come_again(server: RunningServer) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.http.post("/v1/generations", json=LONG), range(24)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert len(accepted) + len(refused) == 24
    for identity in accepted:
        server.http.post(f"/v1/jobs/{identity}/cancel")
        until(lambda identity=identity: read(server, identity)["status"] in ("cancelled", "done"))


def test_a_killed_worker_costs_nothing_but_time(server: RunningServer) -> None:
    jobs = [accepted(server, {**LONG, "count": 8, "seed": n}) for n in range(2)]
    running = until(lambda: [job for job in jobs if read(server, job)["status"] == "running"])
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    ends = {
        job: until(lambda job=job: (found := read(server, job))["status"] not in ("queued", "running") and found)
        for job in jobs
    }
    assert all(end["status"] == "done" and len(end["result"]["assets"]) == 8 for end in ends.values())
    assert any(ends[job]["attempt"] >= 2 for job in running)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_server_loses_no_accepted_job(tmp_path: Path, database: str) -> None:
    if database == "sqlite":
        survive(tmp_path / "home", ())
        return
    with postgresql.running() as address:
        survive(tmp_path / "home", ("--database", f"postgresql://shop@{address}/postgres"))


def survive(home: Path, options: tuple[str, ...]) -> None:
    """Accept jobs, die, come back: each ends once, with all its pictures."""
    accepted: list[str] = []
    with serving(home, *FAKE, *options) as server:
        for n in range(12):
            body = {"prompt": "green shirt", "count": 2, "size": 384, "seed": n}
            answer = server.http.post("/v1/generations", json=body)
            if answer.status_code == 202:
                accepted.append(answer.json()["id"])
        server.kill()
    assert len(accepted) >= 2
    with serving(home, *FAKE, *options) as server:
        for job in accepted:
            ended = until(lambda job=job: (found := read(server, job))["status"] not in ("queued", "running") and found)
            assert ended["status"] == "done" and len(ended["result"]["assets"]) == 2
        pages = server.http.get("/v1/assets", params={"limit": 200}).json()["assets"]
        assert sorted(asset["job"] for asset in pages) == sorted(accepted * 2)
        assert all(server.http.get(asset["url"]).status_code == 200 for asset in pages)


def accepted(server: RunningServer, body: dict[str, Any]) -> str:
    """A job's id, however busy the server is at first."""
    answer = until(lambda: (found := server.http.post("/v1/generations", json=body)).status_code == 202 and found)
    return str(answer.json()["id"])


def read(server: RunningServer, job: str) -> dict[str, Any]:
    """A job as it is now."""
    found: dict[str, Any] = server.http.get(f"/v1/jobs/{job}").json()
    return found


def until(true: Any, seconds: float = 90.0) -> Any:
    """What a question answers at last."""
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return answer
