"""A thread that tells webhooks the ends of jobs: at least once each, whatever dies, later where a hook fails."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from packshot.errors import PackshotError
from packshot.server.database import Database
from packshot.server.hooks import SEND_SECONDS, Hook, load_hooks, send
from packshot.server.queue import ENDED, Job, Queue
from packshot.server.settings import Settings
from packshot.server.tables import deliveries, jobs

LOOK_SECONDS = 0.3
MOST_TRIES = 24
LONGEST_PAUSE_SECONDS = 3_600.0
_AT_ONCE = 4
_log = logging.getLogger("packshot.server")


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One that this courier has taken."""

    id: str
    job_id: str
    hook: str
    tries: int


class Courier:
    """Of one server; several may share a database.

    Args:
        settings: of the server, whose home has the file of hooks.
        database: with jobs and deliveries.
        describe: a job as clients see it.

    Raises:
        InputError: the file of hooks is not what it should be; said at the start, not when a job has ended.
    """

    def __init__(self, settings: Settings, database: Database, describe: Callable[[Job], dict[str, Any]]) -> None:
        self.settings, self.database, self.describe = settings, database, describe
        load_hooks(settings.home)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="courier", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is under way is told again later, unless it comes through in time."""
        self._stop.set()
        self._thread.join(SEND_SECONDS + 1)

    def _go(self) -> None:
        with ThreadPoolExecutor(_AT_ONCE, "courier") as pool:
            while not self._stop.wait(LOOK_SECONDS):
                try:
                    taken = self._take()
                    hooks = load_hooks(self.settings.home) if taken else {}
                    list(pool.map(partial(self._deliver, hooks=hooks), taken))
                except PackshotError as error:
                    _log.error("webhooks wait: %s", error)
                    self._stop.wait(1.0)
                except Exception:  # the database may be away for a while
                    _log.exception("the courier goes on after")
                    self._stop.wait(1.0)

    def _take(self) -> list[_Delivery]:
        """Deliveries that are due, which nobody else takes for as long as telling may last."""
        now = time.time()
        due = (
            sa.select(deliveries.c.id)
            .join(jobs, jobs.c.id == deliveries.c.job_id)
            .where(deliveries.c.due <= now, jobs.c.status.in_(ENDED))
            .order_by(deliveries.c.due)
            .limit(_AT_ONCE)
        )
        with self.database.read() as connection:
            wanted = [row.id for row in connection.execute(due)]
        if not wanted:
            return []
        take = (
            deliveries.update()
            .where(deliveries.c.id.in_(wanted), deliveries.c.due <= now)
            .values(due=now + 3 * SEND_SECONDS, tries=deliveries.c.tries + 1)
            .returning(deliveries.c.id, deliveries.c.job_id, deliveries.c.hook, deliveries.c.tries)
        )
        with self.database.write() as connection:
            return [_Delivery(**row) for row in connection.execute(take).mappings()]

    def _deliver(self, taken: _Delivery, hooks: dict[str, Hook]) -> None:
        job = Queue(self.database).get(taken.job_id)
        if job is None:
            self._over(taken, "the job is gone")
            return
        hook = hooks.get(taken.hook)
        problem = "there is no such hook any more" if hook is None else send(hook, self._message(taken, job), taken.id)
        if not problem:
            self._over(taken, "")
        elif taken.tries >= MOST_TRIES:
            _log.error("webhook %s was not told the end of job %s: %s", taken.hook, job.id, problem)
            self._over(taken, problem)
        else:
            _log.warning("webhook %s, try %d: %s", taken.hook, taken.tries, problem)
            self._write(taken, due=time.time() + pause_seconds(taken.tries), error=problem)

    def _message(self, taken: _Delivery, job: Job) -> bytes:
        message = {"type": f"job.{job.status}", "delivery": taken.id, "job": self.describe(job)}
        return json.dumps(message, ensure_ascii=False).encode()

    def _over(self, taken: _Delivery, error: str) -> None:
        self._write(taken, due=None, error=error, **({} if error else {"delivered": time.time()}))

    def _write(self, taken: _Delivery, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(deliveries.update().where(deliveries.c.id == taken.id).values(values))


def pause_seconds(tries: int) -> float:
    """Before the next try, after so many: 1, 2, 4 … up to an hour."""
    return float(min(LONGEST_PAUSE_SECONDS, 2.0 ** (tries - 1)))
