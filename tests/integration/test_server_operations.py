"""What operators see of a server with keys: logs that tie requests, jobs and workers together, metrics, no secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from command_line import packshot
from guarded import picture
from prometheus_client.parser import text_string_to_metric_families
from servers import RunningServer, serving


@dataclass
class Watched:
    """A server with a key, and the secrets that must stay secret."""

    server: RunningServer
    log: Path
    key: str

    def client(self, key: str = "") -> httpx.Client:
        return httpx.Client(
            base_url=self.server.url, timeout=60, headers={"Authorization": f"Bearer {key or self.key}"}
        )

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    home = tmp_path_factory.mktemp("home")
    key = packshot("keys", "create", "shop", "--scopes", "admin", "--home", home).stdout.strip()
    with serving(home, "--backend", "fake", "--workers", "1", "--log-format", "json") as running:
        yield Watched(running, next(home.parent.glob(f"{home.name}-*.log")), key)


def test_a_request_is_found_again_in_its_job_and_in_the_workers_lines(watched: Watched) -> None:
    with watched.client() as http:
        headers = {"X-Request-ID": "order-4711", "Prefer": "wait=20"}
        job = http.post("/v1/generations", json={"prompt": "red shoe", "count": 1}, headers=headers).json()
    assert job["status"] == "done" and job["request_id"] == "order-4711"
    for _ in range(100):  # the answer comes before its line in the log, and so does the job's end before the worker's
        lines = [line for line in watched.lines() if line.get("request_id") == "order-4711"]
        if len(lines) >= 3:
            break
        time.sleep(0.1)
    workers = [line for line in lines if line["logger"] == "packshot.worker"]
    (access,) = (line for line in lines if line["logger"] == "packshot.access")
    assert [line["message"].split()[1] for line in workers] == ["begun,", "done"]
    assert {line["job_id"] for line in workers} == {job["id"]} and workers[0]["process"] != access["process"]
    assert access["status"] == 200 and access["path"] == "/v1/generations" and access["key"].startswith("key_")
    assert access["seconds"] > 0 and access["client"] == "127.0.0.1"


def test_figures_tell_what_happened(watched: Watched) -> None:
    with watched.client() as http:
        before = figures(http)
        body = {"prompt": "blue bag", "count": 1}
        for _ in range(2):
            assert http.post("/v1/generations", json=body, headers={"Prefer": "wait=20"}).json()["status"] == "done"
        http.get("/v1/jobs/job_unknown")
        after = figures(http)

    def grew(name: str, **labels: str) -> float:
        place = (name, frozenset(labels.items()))
        return after.get(place, 0.0) - before.get(place, 0.0)

    assert grew("packshot_jobs_ended_total", kind="generation", status="done") == 2
    assert grew("packshot_job_wait_seconds_count", kind="generation") == 2
    assert grew("packshot_job_run_seconds_count", kind="generation", status="done") == 2
    assert grew("packshot_http_requests_total", method="POST", route="/v1/generations", status="200") == 2
    assert grew("packshot_http_requests_total", method="GET", route="/v1/jobs/{job_id}", status="404") == 1
    assert grew("packshot_http_request_seconds_count", method="POST", route="/v1/generations") == 2
    assert after["packshot_workers", frozenset({("lane", "quick")})] == 1
    assert after["packshot_worker_resident_bytes", frozenset({("lane", "quick")})] > 20_000_000
    assert after["process_resident_memory_bytes", frozenset()] > 20_000_000


def figures(http: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = http.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def test_metrics_take_their_scope_and_probes_take_none(watched: Watched) -> None:
    reader = packshot("keys", "create", "reader", "--scopes", "read", "--home", watched.server.home).stdout.strip()
    scraper = packshot("keys", "create", "prom", "--scopes", "metrics", "--home", watched.server.home).stdout.strip()
    with watched.client(reader) as http:
        assert http.get("/metrics").status_code == 403
    with watched.client(scraper) as http:
        assert http.get("/metrics").status_code == 200 and http.get("/v1/jobs").status_code == 403
    assert watched.server.http.get("/metrics").status_code == 401
    assert watched.server.http.get("/healthz").json()["status"] == "ok"
    assert watched.server.http.get("/readyz").json()["status"] == "ready"


def test_a_revoked_key_ends_at_once_in_a_running_server(watched: Watched) -> None:
    home = watched.server.home
    short = packshot("keys", "create", "short", "--scopes", "read", "--home", home).stdout.strip()
    with watched.client(short) as http:
        assert http.get("/v1/jobs").status_code == 200
        assert packshot("keys", "revoke", "short", "--home", home).returncode == 0
        assert http.get("/v1/jobs").status_code == 401


def test_a_stream_of_events_of_anothers_job_never_begins(watched: Watched) -> None:
    other = packshot("keys", "create", "other", "--scopes", "read", "--home", watched.server.home).stdout.strip()
    with watched.client() as http:
        job = http.post("/v1/generations", json={"prompt": "red shoe", "count": 1}).json()["id"]
        assert b"event: job" in http.get(f"/v1/jobs/{job}/events").content
    with watched.client(other) as http:
        assert http.get(f"/v1/jobs/{job}/events").status_code == 404


def test_no_secret_is_in_the_log_the_database_or_any_file(watched: Watched) -> None:
    guess = "packshot_" + "Zz0-_" * 8 + "abc"
    with watched.client() as http:
        session = http.post("/v1/session").headers["set-cookie"].partition("=")[2].partition(";")[0]
        http.post("/v1/generations", json={"prompt": f"red shoe {watched.key}", "count": -1})
        http.post("/v1/assets", files={"file": (f"{guess}.png", b"no picture", "image/png")})
        http.get(f"/v1/jobs?token={guess}")
    for headers in ({"Authorization": f"Bearer {guess}"}, {"Cookie": f"packshot_session={guess}"}):
        assert watched.server.http.get("/v1/jobs", headers=headers).status_code == 401
    asset = watched.server.http.post(
        "/v1/assets", files={"file": ("p.png", picture(), "image/png")},
        headers={"Cookie": f"packshot_session={session}"},
    )  # fmt: skip
    assert asset.status_code == 201
    time.sleep(0.2)
    files = [watched.log, *(path for path in watched.server.home.rglob("*") if path.is_file())]
    assert any(path.suffix == ".sqlite" for path in files)
    for path in files:
        content = path.read_bytes()
        for secret in (watched.key, guess, session):
            assert secret.encode() not in content, (path, secret[:12])
    assert all(isinstance(line, dict) for line in watched.lines())
