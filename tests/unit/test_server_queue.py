"""The queue over both databases: accepted once, done once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import postgresql
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from packshot.errors import InputError, RequestError
from packshot.server.assets import Assets, NewAsset
from packshot.server.database import Database
from packshot.server.queue import TRIES, BusyError, LostError, NewJob, Queue, ReusedKeyError, Room
from packshot.server.tables import jobs, metadata

ROOMY = Room(2)
JOB = NewJob("generation", "quick", {"prompt": "红色 shoe"}, 0.5)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path_factory.mktemp('queue') / 'jobs.sqlite'}")
        made.migrate()
        yield made
        made.close()
        return
    with postgresql.running() as address:
        made = Database(f"postgresql://shop@{address}/postgres")
        made.migrate()
        yield made
        made.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    with database.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return Queue(database)


def test_migrations_make_the_tables(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_twice_at_once_does_no_harm(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: database.migrate(), range(4)))


def test_jobs_are_done_in_the_order_of_their_coming(queue: Queue) -> None:
    ids = [queue.submit(JOB, ROOMY)[0].id for _ in range(3)]
    taken = [queue.claim("quick", "w") for _ in range(4)]
    assert [job.id for job in taken if job] == sorted(ids) and taken[3] is None
    assert queue.claim("slow", "w") is None


def test_many_workers_never_share_a_job(queue: Queue) -> None:
    for _ in range(60):
        queue.submit(JOB, ROOMY)
    taken: list[str] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        while (job := queue.claim("quick", name)) is not None:
            with queue.database.write() as connection:
                queue.finish(connection, job, {"by": name})
            with lock:
                taken.append(job.id)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, [f"w{n}" for n in range(6)]))
    assert len(taken) == 60 and set(Counter(taken).values()) == {1}
    assert queue.counts() == {("quick", "done"): 60}


def test_a_job_whose_worker_is_gone_is_begun_again_but_not_for_ever(queue: Queue) -> None:
    identity = queue.submit(JOB, ROOMY)[0].id
    for attempt in range(1, TRIES + 1):
        job = queue.claim("quick", f"w{attempt}")
        assert job is not None and job.attempt == attempt
        assert queue.reap() == []  # its lease still runs
        assert queue.reap([f"w{attempt}"]) == [identity]
    found = queue.get(identity)
    assert found is not None and found.status == "failed" and found.error is not None
    assert found.error["code"] == "worker_died" and queue.claim("quick", "w") is None


def test_a_lease_that_ended_frees_the_job(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.submit(JOB, ROOMY)
    slow = queue.claim("quick", "slow")
    assert slow is not None
    monkeypatch.setattr("packshot.server.queue.LEASE_SECONDS", -1.0)
    queue.renew(slow)  # holds it for less than no time
    monkeypatch.undo()
    assert queue.reap() == [slow.id]
    quick = queue.claim("quick", "quick")
    assert quick is not None and quick.id == slow.id
    for act in (lambda: queue.renew(slow), lambda: queue.progress(slow, 1, 2, ""), lambda: queue.fail(slow, {})):
        with pytest.raises(LostError):
            act()
    with pytest.raises(LostError), queue.database.write() as connection:
        queue.finish(connection, slow, {"by": "slow"})
    with queue.database.write() as connection:
        queue.finish(connection, quick, {"by": "quick"})
    found = queue.get(slow.id)
    assert found is not None and found.result == {"by": "quick"}


def test_what_a_worker_that_lost_its_job_made_is_not_kept(queue: Queue, tmp_path: Path) -> None:
    assets = Assets(queue.database, tmp_path)
    queue.submit(JOB, ROOMY)
    job = queue.claim("quick", "w")
    assert job is not None
    queue.reap(["w"])
    with pytest.raises(LostError), queue.database.write() as connection:
        assets.add(connection, NewAsset("generated", "a.png", "image/png", b"a"), job.id)
        queue.finish(connection, job, {})
    assert assets.search() == [] and assets.sweep(grace_seconds=-1) == 1
    assert list(tmp_path.rglob("*")) == [p for p in tmp_path.rglob("*") if p.is_dir()]


def test_cancelling(queue: Queue) -> None:
    waiting, running, done = (queue.submit(JOB, ROOMY)[0] for _ in range(3))
    assert queue.cancel(waiting.id).status == "cancelled"  # type: ignore[union-attr]
    job = queue.claim("quick", "w")
    assert job is not None and job.id == running.id and queue.renew(job) is False
    assert queue.cancel(running.id).status == "running"  # type: ignore[union-attr]
    assert queue.renew(job) is True
    queue.reap(["w"])
    assert queue.get(running.id).status == "cancelled"  # type: ignore[union-attr]
    job = queue.claim("quick", "w")
    assert job is not None and job.id == done.id
    with queue.database.write() as connection:
        queue.finish(connection, job, {})
    assert queue.cancel(done.id).status == "done"  # type: ignore[union-attr]
    assert queue.cancel("job_unknown") is None


def test_a_repeated_key_gives_the_same_job(queue: Queue) -> None:
    keyed = replace(JOB, idempotency=("k", "digest"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: queue.submit(keyed, ROOMY), range(8)))
    assert len({job.id for job, _ in found}) == 1 and sum(new for _, new in found) == 1
    with pytest.raises(ReusedKeyError):
        queue.submit(replace(JOB, idempotency=("k", "other")), ROOMY)
    assert queue.submit(replace(keyed, owner="another"), ROOMY)[1]


def test_more_than_can_begin_in_time_is_refused(queue: Queue) -> None:
    room = Room(2, longest_wait_seconds=1.0)
    taken = 0
    with pytest.raises(BusyError) as refused:
        for _ in range(20):
            queue.submit(JOB, room)
            taken += 1
    assert taken == 5 and 0 < refused.value.seconds < 5  # 5 × 0.5 s for two workers are more than a second
    while (job := queue.claim("quick", "w")) is not None:
        with queue.database.write() as connection:
            queue.finish(connection, job, {})
    assert queue.submit(JOB, room)[1]


def test_room_is_told_by_how_long_jobs_really_take(queue: Queue) -> None:
    with queue.database.write() as connection:
        now = time.time()
        for _ in range(10):
            job = queue_row(connection, queue)
            connection.execute(
                jobs.update().where(jobs.c.id == job).values(status="done", started=now - 4.5, finished=now - 0.5)
            )
    room = Room(2, longest_wait_seconds=5.0)  # each took eight times what was expected
    taken = 0
    with pytest.raises(BusyError):
        for _ in range(50):
            queue.submit(JOB, room)
            taken += 1
    assert taken == 3


def queue_row(connection: sa.Connection, queue: Queue) -> str:
    """A job put in beside the queue."""
    from packshot.server.ids import new_id

    identity = new_id("job")
    row = {
        "id": identity, "kind": "generation", "lane": "quick", "status": "queued", "priority": 0, "request": {},
        "done": 0.0, "total": 0.0, "stage": "", "expected_seconds": 0.5, "created": time.time(), "attempt": 1,
        "cancelling": False, "owner": "local", "webhook": "", "version": 1,
    }  # fmt: skip
    connection.execute(jobs.insert().values(row))
    return identity


def test_waiting_jobs_are_bounded_by_number_too(queue: Queue) -> None:
    for _ in range(3):
        queue.submit(JOB, Room(1, most_jobs=3))
    with pytest.raises(BusyError):
        queue.submit(JOB, Room(1, most_jobs=3))


def test_pages_of_jobs(queue: Queue) -> None:
    ids = [queue.submit(JOB, ROOMY)[0].id for _ in range(5)]
    first = queue.listed(limit=2)
    assert [job.id for job in first] == sorted(ids, reverse=True)[:2]
    assert [job.id for job in queue.listed(before=first[-1].id)] == sorted(ids, reverse=True)[2:]
    assert queue.listed(kinds=["edit"]) == [] and len(queue.listed(statuses=["queued"])) == 5


def test_versions_tell_of_changes(queue: Queue) -> None:
    identity = queue.submit(JOB, ROOMY)[0].id
    job = queue.claim("quick", "w")
    assert job is not None
    before = queue.versions([identity, "job_unknown"])
    queue.progress(job, 1, 4, "drawing")
    assert queue.versions([identity])[identity] > before[identity] and len(before) == 1


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sqlite://", RequestError),
        ("sqlite:///:memory:", RequestError),
        ("mysql://host/name", RequestError),
        ("nonsense", RequestError),
        ("postgresql://user:secret@127.0.0.1:1/name", InputError),
    ],
)
def test_databases_that_cannot_be_used_are_one_line(url: str, error: type[Exception]) -> None:
    with pytest.raises(error) as refused:
        Database(url)
    assert "secret" not in str(refused.value) and "\n" not in str(refused.value)
