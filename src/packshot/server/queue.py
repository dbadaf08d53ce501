"""The queue of jobs: accepted once, done once. Knows what a job costs, not what it does.

A job is `queued`, `running`, then `done`, `failed` or `cancelled`. A worker holds a running job by a lease that it
renews; when the worker is gone the lease ends and the job is queued again, `TRIES` times in all. Whatever a worker
writes is written only as long as it still holds the job: (worker, attempt) is the fence, so a job ends once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from packshot.server.database import Database
from packshot.server.ids import new_id
from packshot.server.tables import deliveries, idempotency, jobs

Status = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED = ("done", "failed", "cancelled")
TRIES = 3
"""How often a job is begun, when its worker dies."""

LEASE_SECONDS = 10.0

PACE_SECONDS, PACE_JOBS = 60.0, 16
"""How far back one looks for how long jobs take, and at how many."""


class BusyError(Exception):
    """More waits than the operator allows.

    Attributes:
        seconds: after which it is worth trying again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"busy for {seconds:.1f} s more")
        self.seconds = seconds


class ReusedKeyError(Exception):
    """An idempotency key that came with another request before."""


class LostError(Exception):
    """A worker's job was given to another, or ended otherwise."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to accept.

    Attributes:
        kind: a row of `tasks.TASKS`.
        lane: of it.
        request: plain values.
        expected_seconds: of a worker's time.
        owner: id of the key that asks, or `local`.
        webhook: name of the operator's hook that is told the end; empty for none.
        idempotency: (key, sha256 of the request) where the client gave a key.
        request_id: of the request that asks, for the log.
    """

    kind: str
    lane: str
    request: Mapping[str, Any]
    expected_seconds: float
    owner: str = "local"
    webhook: str = ""
    idempotency: tuple[str, str] | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """What may wait.

    Attributes:
        workers: that share the lane.
        longest_wait_seconds: until a new job begins; None for no bound.
        most_jobs: waiting; None for no bound.
    """

    workers: int
    longest_wait_seconds: float | None = None
    most_jobs: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the queue; see `tables.jobs`."""

    id: str
    kind: str
    lane: str
    status: Status
    request: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    done: float
    total: float
    stage: str
    expected_seconds: float
    created: float
    started: float | None
    finished: float | None
    attempt: int
    worker: str | None
    cancelling: bool
    owner: str
    webhook: str
    version: int
    request_id: str

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.status in ENDED


_FIELDS = tuple(jobs.c[name] for name in Job.__slots__)


class Queue:
    """Jobs of one database.

    Attributes:
        owner: whose jobs `get`, `listed` and `cancel` reach; None for everybody's.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.owner: str | None = None

    def seen_by(self, owner: str | None) -> Queue:
        """The same queue, for whom only an owner's jobs exist."""
        view = copy(self)
        view.owner = owner
        return view

    def _seen(self) -> tuple[sa.ColumnElement[bool], ...]:
        return () if self.owner is None else (jobs.c.owner == self.owner,)

    # ---- For those who ask --------------------------------------------------------------------------------------

    def submit(self, new: NewJob, room: Room) -> tuple[Job, bool]:
        """Accept a job: from here on it ends done, failed or cancelled, whatever dies.

        Returns:
            The job, and whether it is new: with an idempotency key that is known it is the earlier one.

        Raises:
            BusyError: too much waits; nothing was accepted.
            ReusedKeyError: the key belongs to another request.
        """
        with self.database.write() as connection:
            self.database.one_at_a_time(connection, "submit")
            if new.idempotency is not None and (known := _known(connection, new)) is not None:
                return known, False
            _insist_on_room(connection, new.lane, room)
            identity, now = new_id("job"), time.time()
            row = {
                "id": identity, "kind": new.kind, "lane": new.lane, "status": "queued", "priority": 0,
                "request": dict(new.request), "done": 0.0, "total": 0.0, "stage": "",
                "expected_seconds": new.expected_seconds, "created": now, "attempt": 0, "cancelling": False,
                "owner": new.owner, "webhook": new.webhook, "version": 1, "request_id": new.request_id,
            }  # fmt: skip
            connection.execute(jobs.insert().values(row))
            if new.idempotency is not None:
                key, digest = new.idempotency
                values = {"owner": new.owner, "key": key, "sha256": digest, "job_id": identity, "created": now}
                connection.execute(idempotency.insert().values(values))
            if new.webhook:
                row = {"id": new_id("delivery"), "job_id": identity, "hook": new.webhook, "due": now, "tries": 0}
                connection.execute(deliveries.insert().values({**row, "error": ""}))
            return _one(connection, identity), True

    def insist_on_room(self, lane: str, room: Room) -> None:
        """Refuse early what `submit` would refuse, at a fraction of the cost of reading a request.

        Raises:
            BusyError: too much waits.
        """
        with self.database.read() as connection:
            _insist_on_room(connection, lane, room)

    def get(self, identity: str) -> Job | None:
        """A job by its id."""
        query = sa.select(*_FIELDS).where(jobs.c.id == identity, *self._seen())
        with self.database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _job(row)

    def listed(self, *, kinds: Iterable[str] = (), statuses: Iterable[str] = (), before: str = "", limit: int = 50
               ) -> list[Job]:  # fmt: skip
        """Jobs, the newest first; `before` is the last id of the page before."""
        query = sa.select(*_FIELDS).where(*self._seen()).order_by(jobs.c.id.desc()).limit(limit)
        for column, wanted in ((jobs.c.kind, tuple(kinds)), (jobs.c.status, tuple(statuses))):
            query = query.where(column.in_(wanted)) if wanted else query
        query = query.where(jobs.c.id < before) if before else query
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(query).mappings()]

    def versions(self, identities: Iterable[str]) -> dict[str, int]:
        """How often each of these jobs has changed."""
        query = sa.select(jobs.c.id, jobs.c.version).where(jobs.c.id.in_(tuple(identities)))
        with self.database.read() as connection:
            return {str(row.id): int(row.version) for row in connection.execute(query)}

    def cancel(self, identity: str) -> Job | None:
        """Cancel a job: at once where it waits, as soon as its worker looks where it runs; nothing where it ended."""
        with self.database.write() as connection:
            waiting = _touch(jobs.c.id == identity, jobs.c.status == "queued", *self._seen())
            connection.execute(waiting.values(status="cancelled", finished=time.time(), version=jobs.c.version + 1))
            running = _touch(jobs.c.id == identity, jobs.c.status == "running", *self._seen())
            connection.execute(running.values(cancelling=True, version=jobs.c.version + 1))
            query = sa.select(*_FIELDS).where(jobs.c.id == identity, *self._seen())
            row = connection.execute(query).mappings().first()
        return None if row is None else _job(row)

    def counts(self) -> dict[tuple[str, str], int]:
        """Jobs by (lane, status)."""
        query = sa.select(jobs.c.lane, jobs.c.status, sa.func.count()).group_by(jobs.c.lane, jobs.c.status)
        with self.database.read() as connection:
            return {(lane, status): count for lane, status, count in connection.execute(query)}

    # ---- For workers --------------------------------------------------------------------------------------------

    def claim(self, lane: str, worker: str) -> Job | None:
        """Take the next job of a lane, if there is one."""
        waits = sa.select(jobs.c.id).where(jobs.c.lane == lane, jobs.c.status == "queued").limit(1)
        with self.database.read() as connection:  # cheap, and takes no lock where nothing waits
            if connection.execute(waits).first() is None:
                return None
        following = waits.order_by(jobs.c.priority, jobs.c.id).with_for_update(skip_locked=True)
        now = time.time()
        taken = _touch(jobs.c.id == following.scalar_subquery(), jobs.c.status == "queued").values(
            status="running", worker=worker, attempt=jobs.c.attempt + 1, started=now, lease=now + LEASE_SECONDS,
            version=jobs.c.version + 1, done=0.0, total=0.0, stage="",
        )  # fmt: skip
        with self.database.write() as connection:
            row = connection.execute(taken.returning(*_FIELDS)).mappings().first()
        return None if row is None else _job(row)

    def renew(self, job: Job) -> bool:
        """Go on holding a job; whether its cancelling was asked for.

        Raises:
            LostError: it is held no more.
        """
        statement = _held(job).values(lease=time.time() + LEASE_SECONDS).returning(jobs.c.cancelling)
        with self.database.write() as connection:
            row = connection.execute(statement).first()
        if row is None:
            raise LostError(job.id)
        return bool(row.cancelling)

    def cancelling(self, job: Job) -> bool:
        """Whether cancelling was asked for; `LostError` as `renew`, and no write."""
        query = sa.select(jobs.c.cancelling).where(*_holds(job))
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise LostError(job.id)
        return bool(row.cancelling)

    def progress(self, job: Job, done: float, total: float, stage: str) -> None:
        """Say how far a job is; `LostError` as `renew`."""
        values = {"done": done, "total": total, "stage": stage[:400], "version": jobs.c.version + 1}
        with self.database.write() as connection:
            _insist(connection.execute(_held(job).values(values)).rowcount, job)

    def finish(self, connection: Connection, job: Job, result: Mapping[str, Any]) -> None:
        """End a job as done, in the transaction that also records what it made; `LostError` as `renew`."""
        values = {"status": "done", "result": dict(result), **_ended()}
        _insist(connection.execute(_held(job).values(values)).rowcount, job)

    def fail(self, job: Job, error: Mapping[str, Any], status: Status = "failed") -> None:
        """End a job as failed or cancelled; `LostError` as `renew`."""
        values = {"status": status, "error": dict(error), **_ended()}
        with self.database.write() as connection:
            _insist(connection.execute(_held(job).values(values)).rowcount, job)

    def put_back(self, job: Job) -> None:
        """Let another worker go on with a job, as if this one had not begun it; nothing where it is held no more."""
        values = {"status": "queued", "worker": None, "lease": None, "version": jobs.c.version + 1}
        with self.database.write() as connection:
            connection.execute(_held(job).values({**values, "attempt": jobs.c.attempt - 1}))

    # ---- For the supervisor -------------------------------------------------------------------------------------

    def reap(self, workers: Iterable[str] = ()) -> list[str]:
        """Queue again what nobody works on any more: leases that ended, and all that these workers held."""
        gone = sa.or_(jobs.c.lease < time.time(), jobs.c.worker.in_(tuple(workers)))
        running = sa.and_(jobs.c.status == "running", gone)
        error = {"code": "worker_died", "detail": f"its worker died {TRIES} times: killed, or out of memory"}
        failed = jobs.update().where(running, jobs.c.attempt >= TRIES).values(status="failed", error=error, **_ended())
        stopped = jobs.update().where(running, jobs.c.cancelling).values(status="cancelled", **_ended())
        again = jobs.update().where(running).values(
            status="queued", worker=None, lease=None, version=jobs.c.version + 1
        )  # fmt: skip
        with self.database.read() as connection:
            if connection.execute(sa.select(jobs.c.id).where(running).limit(1)).first() is None:
                return []
        with self.database.write() as connection:
            found = [row.id for row in connection.execute(sa.select(jobs.c.id).where(running))]
            for statement in (stopped, failed, again):
                connection.execute(statement)
        return found


def _touch(*conditions: sa.ColumnElement[bool]) -> sa.Update:
    return jobs.update().where(*conditions)


def _held(job: Job) -> sa.Update:
    """An update that only reaches the job while this worker holds it."""
    return _touch(*_holds(job))


def _holds(job: Job) -> tuple[sa.ColumnElement[bool], ...]:
    return jobs.c.id == job.id, jobs.c.status == "running", jobs.c.worker == job.worker, jobs.c.attempt == job.attempt


def _ended() -> dict[str, Any]:
    return {"finished": time.time(), "lease": None, "version": jobs.c.version + 1}


def _insist(rows: int, job: Job) -> None:
    if rows != 1:
        raise LostError(job.id)


def _known(connection: Connection, new: NewJob) -> Job | None:
    assert new.idempotency is not None
    key, digest = new.idempotency
    query = sa.select(idempotency.c.sha256, idempotency.c.job_id).where(
        idempotency.c.owner == new.owner, idempotency.c.key == key
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.sha256 != digest:
        raise ReusedKeyError(key)
    return _one(connection, row.job_id)


def _insist_on_room(connection: Connection, lane: str, room: Room) -> None:
    """Refuse where a new job would begin too late. What runs counts with half of what it was expected to take."""
    query = sa.select(
        sa.func.count().filter(jobs.c.status == "queued"),
        sa.func.coalesce(sa.func.sum(jobs.c.expected_seconds).filter(jobs.c.status == "queued"), 0.0),
        sa.func.coalesce(sa.func.sum(jobs.c.expected_seconds).filter(jobs.c.status == "running"), 0.0),
    ).where(jobs.c.lane == lane, jobs.c.status.in_(("queued", "running")))
    waiting, queued_seconds, running_seconds = connection.execute(query).one()
    workers = max(1, room.workers)
    wait = _pace(connection, lane) * (queued_seconds + running_seconds / 2) / workers
    if waiting and room.longest_wait_seconds is not None and wait > room.longest_wait_seconds:
        raise BusyError(max(0.1, wait - room.longest_wait_seconds / 2))
    if room.most_jobs is not None and waiting >= room.most_jobs:
        raise BusyError(60.0)


def _pace(connection: Connection, lane: str) -> float:
    """What jobs lately took over what they were expected to: machines differ, and are busy with other things."""
    recent = (
        sa.select((jobs.c.finished - jobs.c.started).label("took"), jobs.c.expected_seconds.label("expected"))
        .where(jobs.c.lane == lane, jobs.c.status == "done", jobs.c.finished > time.time() - PACE_SECONDS)
        .order_by(jobs.c.finished.desc())
        .limit(PACE_JOBS)
        .subquery()
    )
    query = sa.select(sa.func.count(), sa.func.sum(recent.c.took), sa.func.sum(recent.c.expected))
    count, took, expected = connection.execute(query).one()
    return min(max(took / expected, 0.1), 10.0) if count >= PACE_JOBS // 2 and expected else 1.0


def _one(connection: Connection, identity: str) -> Job:
    return _job(connection.execute(sa.select(*_FIELDS).where(jobs.c.id == identity)).mappings().one())


def _job(row: RowMapping) -> Job:
    return Job(**row)
