"""The right of one run to write to an object store: an object that says whose it is, renewed while that run lives.

Stores have no locks that end with a process. So whoever finds the object looks whether it is renewed: clocks of
different machines are never compared. It saves work and nothing more: two runs at once would make the same pictures,
under the same names, and what is lost between their lines is made again.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from packshot.errors import OutputError

NAME = ".packshot/lock.json"
RENEWED_SECONDS = 10.0
"""How often a living run renews its lease."""

LEASE_SECONDS = 60.0
"""How long one that is not renewed still counts."""

SETTLED_SECONDS = 1.0


class Objects(Protocol):
    """What a lease needs of a store."""

    def shown(self, name: str = "") -> str:
        """See `store.Store`."""

    def read(self, name: str) -> bytes | None:
        """See `store.Store`."""

    def write(self, name: str, data: bytes) -> None:
        """See `store.Store`."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; whether it wasn't."""

    def remove(self, name: str) -> None:
        """See `store.Store`."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A run that holds a store, as its object says.

    Attributes:
        token: of the run.
        machine: see `_machine`.
        pid: of its process there.
        started: when that began, see `_started`.
        beat: counts renewals.
    """

    token: str
    machine: str
    pid: int
    started: str
    beat: int = 0

    @classmethod
    def of_this_process(cls) -> Holder:
        """A new run."""
        return cls(secrets.token_hex(8), _machine(), os.getpid(), _started(os.getpid()))

    @classmethod
    def read(cls, objects: Objects) -> Holder | None:
        """Whose the store is now; a damaged object is nobody's, and never renewed."""
        data = objects.read(NAME)
        try:
            return None if data is None else cls(**json.loads(data))
        except (ValueError, TypeError):
            return cls("", "", 0, "")

    def as_bytes(self) -> bytes:
        """For the object."""
        return json.dumps(asdict(self)).encode()

    def lives(self) -> bool | None:
        """Whether its process runs; None where it is of another machine, or machines don't tell."""
        if not self.machine or self.machine != _machine():
            return None
        return _started(self.pid) == self.started


class Lease:
    """A store that is held, as long as `check` does not raise."""

    def __init__(self, objects: Objects, holder: Holder) -> None:
        self._objects, self._holder = objects, holder
        self._stop, self._lost = threading.Event(), ""
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Go on only while the store is held.

        Raises:
            OutputError: another run has taken it, or it could not be renewed.
        """
        if self._lost:
            raise OutputError(self._objects.shown(), self._lost, "one run at a time, and a store that can be reached")

    def end(self) -> None:
        """Give the store back; where that fails, the lease ends by itself."""
        self._stop.set()
        self._thread.join()
        with suppress(OutputError):
            if not self._lost and _is_of(Holder.read(self._objects), self._holder):
                self._objects.remove(NAME)

    def _renew(self) -> None:
        """In a thread: a store that can't be reached for longer than a lease lasts is no longer ours."""
        renewed = time.monotonic()
        while not self._stop.wait(RENEWED_SECONDS):
            try:
                if not _is_of(Holder.read(self._objects), self._holder):
                    self._lost = "another run that has taken the store over"
                    return
                self._holder = replace(self._holder, beat=self._holder.beat + 1)
                self._objects.write(NAME, self._holder.as_bytes())
                renewed = time.monotonic()
            except OutputError as error:
                if time.monotonic() - renewed > LEASE_SECONDS / 2:
                    self._lost = f"a lease that could not be renewed: {error.got}"
                    return


@contextmanager
def held(objects: Objects) -> Iterator[Lease]:
    """Hold a store; waits for a run that died on another machine, at most as long as its lease lasts.

    Raises:
        OutputError: another run holds it, or it cannot be written to.
    """
    lease = Lease(objects, _taken(objects, Holder.of_this_process()))
    try:
        yield lease
    finally:
        lease.end()


def _taken(objects: Objects, mine: Holder) -> Holder:
    other = Holder.read(objects)  # first, since some stores create what is there already
    if other is None and objects.create(NAME, mine.as_bytes()):
        return mine
    other = other or Holder.read(objects)
    if _is_of(other, mine):  # it was created, and the answer was lost
        return mine
    if other is not None and other.lives():
        raise _another(objects)
    if other is not None and other.lives() is None:
        _wait(objects, other)
    objects.write(NAME, mine.as_bytes())
    time.sleep(SETTLED_SECONDS)  # for whoever takes it over at the same moment: the last one has it
    if not _is_of(Holder.read(objects), mine):
        raise _another(objects)
    return mine


def _wait(objects: Objects, other: Holder) -> None:
    """Until the other's lease is over."""
    logging.getLogger(__name__).warning(
        "%s: another run holds it; if that one is dead, this one begins in %.0f s", objects.shown(), LEASE_SECONDS
    )
    until = time.monotonic() + LEASE_SECONDS
    while time.monotonic() < until:
        time.sleep(min(RENEWED_SECONDS / 2, max(0.0, until - time.monotonic())))
        now = Holder.read(objects)
        if now is None:
            return
        if now != other:
            raise _another(objects)


def _is_of(found: Holder | None, mine: Holder) -> bool:
    return found is not None and found.token == mine.token


def _another(objects: Objects) -> OutputError:
    return OutputError(objects.shown(), "another run that is writing there", "one run at a time")


def _machine() -> str:
    """This machine since it was booted and its processes' numbers, which containers have of their own; else empty."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return ""


def _started(pid: int) -> str:
    """When a process of this machine began, in ticks since boot; empty where it has ended."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]
