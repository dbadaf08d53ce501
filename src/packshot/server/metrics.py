"""What Prometheus is told of jobs and workers. Workers are processes that come and go, so the database is asked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Any, get_args

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from packshot.server.database import Database
from packshot.server.guard import resident_bytes
from packshot.server.supervisor import Supervisor
from packshot.server.tables import jobs, workers
from packshot.server.tasks.interface import Lane

_WAIT = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1_800.0)
_RUN = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0)
_OVERLAP_SECONDS = 60.0
"""A job's end has the time when its transaction began; one that commits later than this is missed."""


class JobFigures:
    """Counts the jobs that ended since this process started, and tells what waits and runs now.

    Servers of one database all tell of all its jobs: take one of them, or the maximum.
    """

    def __init__(self, registry: CollectorRegistry, database: Database, supervisor: Supervisor) -> None:
        self.database, self.supervisor = database, supervisor
        names = ("kind", "status")
        self.ended = Counter("packshot_jobs_ended", "Jobs that ended.", names, registry=registry)
        self.wait = Histogram("packshot_job_wait_seconds", "From a job's acceptance to the start of its last try.",
                              ("kind",), buckets=_WAIT, registry=registry)  # fmt: skip
        self.run = Histogram("packshot_job_run_seconds", "Of a job's last try.", names, buckets=_RUN, registry=registry)
        self._start = self._since = time.time()
        self._counted: dict[str, float] = {}
        self._one_at_a_time = Lock()
        registry.register(_Now(self))
        ProcessCollector(registry=registry)
        disable_created_metrics()  # type: ignore[no-untyped-call]

    def count_ended(self) -> None:
        """Take account of jobs that ended since the last time."""
        columns = [jobs.c[name] for name in ("id", "kind", "status", "created", "started", "finished")]
        with self._one_at_a_time, self.database.read() as connection:
            since = max(self._start, self._since - _OVERLAP_SECONDS)
            lanes = get_args(Lane)  # named for the index
            query = sa.select(*columns).where(jobs.c.lane.in_(lanes), jobs.c.finished > since)
            self._count(connection.execute(query).all())

    def _count(self, rows: Sequence[sa.Row[Any]]) -> None:
        for row in rows:
            if row.id in self._counted:
                continue
            self._counted[row.id] = row.finished
            self.ended.labels(row.kind, row.status).inc()
            if row.started is not None:
                self.wait.labels(row.kind).observe(max(0.0, row.started - row.created))
                self.run.labels(row.kind, row.status).observe(max(0.0, row.finished - row.started))
        self._since = max([self._since, *(row.finished for row in rows)])
        self._counted = {key: at for key, at in self._counted.items() if at > self._since - _OVERLAP_SECONDS}

    def now(self) -> Iterator[GaugeMetricFamily]:
        """What is so at this moment."""
        counts = GaugeMetricFamily("packshot_jobs", "Jobs that wait or run.", labels=("kind", "status"))
        oldest = GaugeMetricFamily("packshot_oldest_queued_seconds", "How long the oldest waits.", labels=("lane",))
        ready = GaugeMetricFamily(
            "packshot_workers", "Worker processes that wait for jobs or do one.", labels=("lane",)
        )
        active = jobs.c.status.in_(("queued", "running"))
        by_kind = sa.select(jobs.c.kind, jobs.c.status, sa.func.count()).where(active)
        queued = sa.select(jobs.c.lane, sa.func.min(jobs.c.created)).where(jobs.c.status == "queued")
        by_lane = sa.select(workers.c.lane, sa.func.count()).where(workers.c.ready)
        with self.database.read() as connection:
            for kind, status, count in connection.execute(by_kind.group_by(jobs.c.kind, jobs.c.status)):
                counts.add_metric((kind, status), count)
            for lane, created in connection.execute(queued.group_by(jobs.c.lane)):
                oldest.add_metric((lane,), max(0.0, time.time() - created))
            for lane, count in connection.execute(by_lane.group_by(workers.c.lane)):
                ready.add_metric((lane,), count)
        yield from (counts, oldest, ready, _memory(self.supervisor.processes()))


class _Now(Collector):
    """Asked by prometheus_client at each scrape."""

    def __init__(self, figures: JobFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._figures.now()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()


def _memory(processes: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("packshot_worker_resident_bytes", "Memory of all workers of a lane.", labels=("lane",))
    sums: dict[str, int] = {}
    for lane, pid in processes:
        sums[lane] = sums.get(lane, 0) + resident_bytes(pid)
    for lane, total in sums.items():
        family.add_metric((lane,), total)
    return family
