"""Keeps the worker processes running, and gives back to the queue what a dead one held."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess

import sqlalchemy as sa

from packshot.server.assets import Assets
from packshot.server.database import Database
from packshot.server.queue import Queue
from packshot.server.settings import Settings
from packshot.server.tables import workers
from packshot.server.worker import main

LOOK_SECONDS = 0.2
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of workers' matrix products: cores are used by several jobs at once, beside which idle threads would spin."""
SWEEP_SECONDS = 600.0
SLOWEST_RESTART_SECONDS = 30.0
_log = logging.getLogger("packshot.server")


@dataclass
class _Place:
    """Where one worker after the other runs."""

    lane: str
    name: str = ""
    process: SpawnProcess | None = None
    deaths: int = 0
    not_before: float = 0.0
    began: float = field(default_factory=time.monotonic)


class Supervisor:
    """Workers of one server."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database, self.queue = settings, database, Queue(database)
        lanes = ["quick"] * settings.quick_processes + ["slow"] * settings.slow_workers
        self._places = [_Place(lane) for lane in lanes]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once. What an earlier server of this machine held when it was killed is queued again."""
        with self.database.read() as connection:
            known = [row.id for row in connection.execute(sa.select(workers.c.id))]
        dead = [name for name in known if _is_of_dead_server(name)]
        for job in self.queue.reap(dead):
            _log.warning("job %s lost its worker with its server", job)
        self._forget(dead)
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Let workers finish their jobs for so long; what is not finished then is queued again."""
        self._stop.set()
        self._thread.join()
        for place in self._places:
            if place.process is not None:
                place.process.terminate()
        until = time.monotonic() + seconds
        for place in self._places:
            if place.process is not None:
                place.process.join(max(0.0, until - time.monotonic()))
                if place.process.is_alive():
                    place.process.kill()
                    place.process.join()
        self.queue.reap([place.name for place in self._places])
        self._forget([place.name for place in self._places])

    def ready(self) -> bool:
        """Whether a worker waits for quick jobs; slow ones may start later."""
        names = [place.name for place in self._places if place.lane == "quick"]
        with self.database.read() as connection:
            query = sa.select(workers.c.id).where(workers.c.id.in_(names), workers.c.ready)
            return connection.execute(query.limit(1)).first() is not None

    def processes(self) -> list[tuple[str, int]]:
        """(lane, process id) of the workers that run."""
        found = [(place.lane, place.process) for place in self._places]
        return [(lane, process.pid) for lane, process in found if process is not None and process.pid is not None]

    def _watch(self) -> None:
        swept = time.monotonic()
        while not self._stop.is_set():
            try:
                dead = [name for place in self._places if (name := self._looked_after(place))]
                for job in self.queue.reap(dead):
                    _log.warning("job %s lost its worker", job)
                self._forget(dead)
                if time.monotonic() - swept > SWEEP_SECONDS:
                    swept = time.monotonic()
                    Assets(self.database, self.settings.home, self.settings.assets).sweep()
            except Exception:  # the database may be away for a while
                _log.exception("the supervisor goes on after")
                self._stop.wait(1.0)
            self._stop.wait(LOOK_SECONDS)

    def _looked_after(self, place: _Place) -> str:
        """Start a place's worker where none runs; the name of one that has died."""
        now, dead = time.monotonic(), ""
        if place.process is not None and not place.process.is_alive():
            dead = place.name
            place.deaths = 0 if now - place.began > 60 else place.deaths + 1
            pause = min(SLOWEST_RESTART_SECONDS, 0.5 * 2 ** max(0, place.deaths - 2)) if place.deaths > 1 else 0.0
            place.not_before = now + pause
            _log.warning("worker %s ended with status %s", place.name, place.process.exitcode)
            place.process.close()
            place.process = None
        if place.process is None and now >= place.not_before:
            place.name = f"{_host()}/{os.getpid()}/{place.lane}-{secrets.token_hex(6)}"
            arguments = (self.settings, place.name, place.lane)
            os.environ.update(ONE_THREAD)
            place.process = get_context("spawn").Process(target=main, args=arguments, daemon=True)
            place.process.start()
            place.began = now
        return dead

    def _forget(self, names: list[str]) -> None:
        if names:
            with self.database.write() as connection:
                connection.execute(workers.delete().where(workers.c.id.in_(names)))


def _host() -> str:
    return socket.gethostname()[:40].replace("/", "_")


def _is_of_dead_server(worker: str) -> bool:
    """Whether a worker's name says that its server ran here, and runs no more."""
    host, _, rest = worker.partition("/")
    pid = rest.partition("/")[0]
    if host != _host() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
