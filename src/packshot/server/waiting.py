"""Waiting for jobs to change, without a thread or a query for each who waits."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from packshot.server.queue import Queue

LOOK_SECONDS = 0.04
_log = logging.getLogger("packshot.server")


class Watch:
    """One loop that asks the database for all who wait."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._waiting: dict[str, set[tuple[int, asyncio.Event]]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._look(), name="watch of jobs")

    async def stop(self) -> None:
        """End; whoever waits still is woken."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for waiters in self._waiting.values():
            for _, event in waiters:
                event.set()

    async def changed(self, identity: str, version: int, seconds: float) -> bool:
        """Wait until a job has another version than this, at most so long; whether it has."""
        waiter = (version, asyncio.Event())
        self._waiting.setdefault(identity, set()).add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter[1].wait()
        except TimeoutError:
            return False
        finally:
            waiters = self._waiting[identity]
            waiters.discard(waiter)
            if not waiters:
                del self._waiting[identity]
        return True

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._waiting:
                continue
            try:
                versions = await asyncio.to_thread(self._queue.versions, tuple(self._waiting))
            except Exception:  # the database may be away for a while; who waits goes on waiting
                _log.exception("can't ask for jobs")
                await asyncio.sleep(1.0)
                continue
            for identity, waiters in self._waiting.items():
                for version, event in waiters:
                    if versions.get(identity, version) != version:
                        event.set()
