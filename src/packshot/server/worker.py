"""A worker process: takes jobs of one lane from the queue, one after the other, until its parent is gone."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from packshot.errors import OutputError, PackshotError
from packshot.server.assets import Assets
from packshot.server.database import Database
from packshot.server.guard import Guard
from packshot.server.logs import belonging_to, clean, configure
from packshot.server.queue import Job, LostError, Queue
from packshot.server.security.keys import view_of
from packshot.server.settings import Settings
from packshot.server.tables import workers
from packshot.server.tasks.interface import CancelledJobError, Context, InterruptedJobError, Outcome
from packshot.server.tasks.table import TASKS

IDLE_SECONDS = {"quick": 0.02, "slow": 0.5}
"""Between two looks at an empty queue, by lane; for quick jobs a tenth of a picture's time."""

_NICE = 10
_log = logging.getLogger("packshot.worker")


class JobContext:
    """A job's `Context` in a worker."""

    def __init__(
        self, settings: Settings, assets: Assets, queue: Queue, job: Job, guard: Guard, stopping: threading.Event
    ) -> None:
        self.settings, self.assets, self.job_id = settings, assets, job.id
        self._queue, self._job, self._guard, self._stopping = queue, job, guard, stopping

    def progress(self, done: float, total: float, stage: str = "") -> None:
        """See `Context.progress`."""
        if self._guard.cancelled.is_set():
            raise CancelledJobError(self.job_id)
        self._queue.progress(self._job, done, total, stage)

    def look(self) -> None:
        """See `Context.look`."""
        if self._guard.cancelled.is_set():
            raise CancelledJobError(self.job_id)
        if self._stopping.is_set():
            raise InterruptedJobError(self.job_id)


def main(settings: Settings, name: str, lane: str) -> None:
    """Work until the parent process ends or asks to stop.

    Args:
        settings: of the server.
        name: of this worker, unlike any other's.
        lane: whose jobs it does.
    """
    configure(settings.log_format)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    if lane == "slow":
        os.nice(_NICE)
    database = Database(settings.database_url)
    queue, assets = Queue(database), Assets(database, settings.home, settings.assets)
    for task in TASKS.values():
        if task.lane == lane and task.warm is not None:
            task.warm(settings)
    _say_ready(database, name, lane)
    while not stopping.is_set():
        job = queue.claim(lane, name)
        if job is None:
            stopping.wait(IDLE_SECONDS[lane])
        else:
            do(job, settings, queue, assets, stopping)


def do(job: Job, settings: Settings, queue: Queue, assets: Assets, stopping: threading.Event | None = None) -> None:
    """Do one job and record its end, unless it was taken away meanwhile.

    Args:
        job: held by this worker.
        settings: of the server.
        queue: of the job.
        assets: where what it makes is kept.
        stopping: set when the worker is to stop, for jobs that can go on elsewhere.
    """
    seconds = settings.quick_job_seconds if job.lane == "quick" else settings.slow_job_seconds
    began = time.monotonic()
    try:
        grace = TASKS[job.kind].grace_seconds
        with (
            belonging_to(job.request_id, job.id),
            Guard(queue, job, seconds, settings.job_bytes, grace_seconds=grace) as guard,
        ):
            _log.info("%s begun, try %d", job.kind, job.attempt)
            seen = assets.seen_by(view_of(queue.database, job.owner))
            context = JobContext(settings, seen, queue, job, guard, stopping or threading.Event())
            outcome = _outcome(job, context)
            guard.recording()
            status = _record(outcome, job, queue, assets)
            _log.info("%s %s after %.2f s", job.kind, status, time.monotonic() - began)
    except InterruptedJobError:
        queue.put_back(job)
    except LostError:
        _log.warning("job %s was taken away", job.id)


def _outcome(job: Job, context: Context) -> Outcome | tuple[str, dict[str, Any]]:
    """What a job made, or the status and error that it ends with."""
    try:
        return TASKS[job.kind].run(job.request, context)
    except (LostError, InterruptedJobError):
        raise
    except CancelledJobError:
        return "cancelled", {"code": "cancelled", "detail": "cancelled"}
    except PackshotError as error:
        parts = {"detail": error, "where": error.where, "got": error.got, "accepted": error.accepted}
        return "failed", {
            "code": "refused",
            **{name: clean(context.settings.told(part)) for name, part in parts.items()},
        }
    except Exception as error:  # a bug in one job must not end the worker for the others
        _log.exception("job %s met a bug", job.id)
        detail = f"a bug: {type(error).__name__}"  # what it says may hold paths; the log has it all
        return "failed", {"code": "bug", "detail": detail, "trace": clean(traceback.format_exc())}


def _record(outcome: Outcome | tuple[str, Mapping[str, Any]], job: Job, queue: Queue, assets: Assets) -> str:
    if isinstance(outcome, tuple):
        status, error = outcome
        queue.fail(job, error, "cancelled" if status == "cancelled" else "failed")
        return status
    try:
        for new in outcome.assets:
            assets.store(new.data)  # before the transaction, which is to be short
    except OutputError as error:  # a full disk: not this worker's death, which would only be tried again at once
        _log.error("job %s: %s", job.id, error)
        queue.fail(job, {"code": "no_room", "detail": "the server can't keep what was made: its disk may be full"})
        return "failed"
    with queue.database.write() as connection:
        kept = [assets.add(connection, replace(new, owner=job.owner), job.id).id for new in outcome.assets]
        queue.finish(connection, job, {**outcome.result, "assets": kept})
    return "done"


def _say_ready(database: Database, name: str, lane: str) -> None:
    with database.write() as connection:
        connection.execute(workers.insert().values(id=name, lane=lane, beat=time.time(), ready=True))


def _end_with(parent: int) -> None:
    """A killed server leaves no workers behind."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
