"""What the server itself lacks is said as that (503), and is neither the client's mistake nor a bug."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from guarded import Guarded, picture, submit, upload
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolError

from packshot.errors import OutputError
from packshot.server.assets import Assets
from packshot.server.database import Database
from packshot.server.queue import Queue
from packshot.server.worker import do

FULL = OutputError("assets/aa/bb", "No space left on device", "a place that can be written")
AWAY = OperationalError("SELECT 1", {}, Exception("the server closed the connection"))


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("error", [FULL, OSError(errno.ENOSPC, "No space left on device")])
def test_a_full_disk_is_no_mistake_of_the_clients(
    guarded: Guarded, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Assets, "store", raising(error))
    answer = guarded.http.post("/v1/assets", files={"file": ("p.png", picture(), "image/png")})
    assert answer.status_code == 503 and answer.json()["code"] == "no_room", answer.text
    assert answer.headers["retry-after"] and "assets/" not in answer.text


def test_another_failure_of_the_system_is_a_bug(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Assets, "store", raising(PermissionError(errno.EACCES, "Permission denied")))
    answer = guarded.http.post("/v1/assets", files={"file": ("p.png", picture(), "image/png")})
    assert answer.status_code == 500 and answer.json()["code"] == "bug"


@pytest.mark.parametrize("error", [AWAY, PoolError("QueuePool limit")])
@pytest.mark.parametrize("where", ["at the gate", "behind it"])
def test_a_database_that_is_away_is_no_bug(
    guarded: Guarded, where: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = guarded.client("read") if where == "at the gate" else guarded.http
    target = (Database, "read") if where == "at the gate" else (Queue, "listed")
    monkeypatch.setattr(*target, raising(error))
    answer = client.get("/v1/jobs")
    assert answer.status_code == 503 and answer.json()["code"] == "database_away", answer.text
    assert answer.headers["retry-after"] and "content-security-policy" in answer.headers


def test_a_job_whose_pictures_find_no_room_fails_with_that(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(guarded.http)
    services, job = guarded.app.state.services, submit(guarded.http)
    claimed = services.queue.claim("quick", "worker")
    assert claimed is not None and claimed.id == job
    monkeypatch.setattr(Assets, "store", raising(FULL))
    do(claimed, guarded.settings, services.queue, services.assets)
    found = guarded.http.get(f"/v1/jobs/{job}").json()
    assert found["status"] == "failed" and found["error"]["code"] == "no_room"
