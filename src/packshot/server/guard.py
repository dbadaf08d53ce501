"""A thread beside a worker's job: holds its lease, hears of its cancelling, and ends what takes too much."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from packshot.server.queue import Job, LostError, Queue, Status

BEAT_SECONDS, RENEW_SECONDS = 0.5, 3.0
GRACE_SECONDS = 5.0
"""For a job to notice that it was cancelled."""

OVER_LIMIT = 3
"""Exit status of a worker whose job went over a limit or did not stop."""


class Guard:
    """Watches one job, from `with` to its end.

    Args:
        queue: of the job.
        job: held by this process.
        seconds: that it may take.
        bytes_limit: of resident memory of the process.
        quit_process: ends the process at once; for tests.
        grace_seconds: for the job to notice that it was cancelled.
    """

    def __init__(
        self, queue: Queue, job: Job, seconds: float, bytes_limit: int,
        quit_process: Callable[[int], Any] = os._exit, grace_seconds: float | None = None,
    ) -> None:  # fmt: skip
        self.queue, self.job, self.seconds, self.bytes_limit = queue, job, seconds, bytes_limit
        self.grace_seconds = GRACE_SECONDS if grace_seconds is None else grace_seconds
        self.cancelled, self._cancelled_at = threading.Event(), 0.0
        self._quit, self._over, self._recording = quit_process, threading.Event(), threading.Event()
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name=f"guard of {job.id}", daemon=True)

    def __enter__(self) -> Guard:
        self._thread.start()
        return self

    def recording(self) -> None:
        """Say that the job's end is being recorded: from here on its being held no more is no sign of a loss."""
        self._recording.set()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:  # fmt: skip
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._over.wait(BEAT_SECONDS):
            try:
                if self._asked_to_stop() and not self.cancelled.is_set():
                    self._cancelled_at = time.monotonic()
                    self.cancelled.set()
                if (over := self._over_limit(time.monotonic() - began)) is not None:
                    self.queue.fail(self.job, over[1], over[0])
                    self._quit(OVER_LIMIT)
                    return
            except LostError:
                if not (self._over.is_set() or self._recording.is_set()):  # another has it: this one must not go on
                    self._quit(OVER_LIMIT)
                return

    def _asked_to_stop(self) -> bool:
        """A look at every beat, and now and then a write, which holds the lease."""
        if time.monotonic() - self._renewed < RENEW_SECONDS:
            return self.queue.cancelling(self.job)
        self._renewed = time.monotonic()
        return self.queue.renew(self.job)

    def _over_limit(self, seconds: float) -> tuple[Status, dict[str, Any]] | None:
        """How the job is to end now, if it is."""
        if self.cancelled.is_set() and time.monotonic() - self._cancelled_at > self.grace_seconds:
            return "cancelled", {"code": "cancelled", "detail": "cancelled"}
        if seconds > self.seconds:
            detail = f"it ran longer than the {self.seconds:g} s that such jobs may take"
            return "failed", {"code": "too_long", "detail": detail}
        if (used := resident_bytes()) > self.bytes_limit:
            detail = f"it took {used / 1e6:,.0f} MB; accepted: {self.bytes_limit / 1e6:,.0f} MB"
            return "failed", {"code": "too_much_memory", "detail": detail}
        return None


def resident_bytes(process: int | str = "self") -> int:
    """Of a process, by its id, or of this one; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
