"""The thread beside a job: what takes too long, too much, or was cancelled, ends with a reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from packshot.server.database import Database
from packshot.server.guard import OVER_LIMIT, Guard, resident_bytes
from packshot.server.queue import Job, NewJob, Queue, Room

PLENTY = 10**12


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("packshot.server.guard.BEAT_SECONDS", 0.02)
    database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    database.migrate()
    yield Queue(database)
    database.close()


def begun(queue: Queue) -> Job:
    queue.submit(NewJob("generation", "quick", {}, 0.1), Room(1))
    job = queue.claim("quick", "w")
    assert job is not None
    return job


def ended(queue: Queue, seconds: float, most_bytes: int) -> tuple[Job, list[int]]:
    """A job that would run for a second under these limits, and how its process was ended."""
    job, quits = begun(queue), list[int]()
    with Guard(queue, job, seconds, most_bytes, quits.append):
        deadline = time.monotonic() + 5
        while not quits and time.monotonic() < deadline:
            time.sleep(0.01)
    found = queue.get(job.id)
    assert found is not None
    return found, quits


def test_a_job_that_runs_too_long_fails_and_ends_its_process(queue: Queue) -> None:
    job, quits = ended(queue, 0.1, PLENTY)
    assert job.status == "failed" and job.error is not None and job.error["code"] == "too_long"
    assert quits == [OVER_LIMIT]


def test_a_job_that_takes_too_much_memory_fails_and_ends_its_process(queue: Queue) -> None:
    job, quits = ended(queue, 60, resident_bytes() // 2)
    assert job.status == "failed" and job.error is not None and job.error["code"] == "too_much_memory"
    assert quits == [OVER_LIMIT]


def test_a_cancelled_job_that_does_not_stop_is_stopped(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("packshot.server.guard.GRACE_SECONDS", 0.1)
    job, quits = begun(queue), list[int]()
    with Guard(queue, job, 60, PLENTY, quits.append) as guard:
        queue.cancel(job.id)
        assert guard.cancelled.wait(5)
        deadline = time.monotonic() + 5
        while not quits and time.monotonic() < deadline:
            time.sleep(0.01)
    found = queue.get(job.id)
    assert found is not None and found.status == "cancelled" and quits == [OVER_LIMIT]


def test_a_worker_that_lost_its_job_ends_at_once(queue: Queue) -> None:
    job, quits = begun(queue), list[int]()
    with Guard(queue, job, 60, PLENTY, quits.append):
        queue.reap(["w"])
        deadline = time.monotonic() + 5
        while not quits and time.monotonic() < deadline:
            time.sleep(0.01)
    found = queue.get(job.id)
    assert quits == [OVER_LIMIT] and found is not None and found.status == "queued"


def test_a_job_within_its_limits_is_left_alone(queue: Queue) -> None:
    job, quits = begun(queue), list[int]()
    with Guard(queue, job, 60, PLENTY, quits.append) as guard:
        time.sleep(0.2)
        guard.recording()
        with queue.database.write() as connection:
            queue.finish(connection, job, {})
    assert quits == []


def test_a_job_that_was_just_recorded_is_no_loss(queue: Queue) -> None:
    job, quits = begun(queue), list[int]()
    with Guard(queue, job, 60, PLENTY, quits.append) as guard:
        guard.recording()
        with queue.database.write() as connection:
            queue.finish(connection, job, {})
        time.sleep(0.2)  # beats in between find the job held no more
    assert quits == []
