"""Work on a cluster of machines by Ray, the one file that knows Ray.

Ray offers three ways. A pool of **actors** was taken, since of these it alone keeps what `pool.Executor` promises:

- An actor is given an item once it has answered that it runs, so no item hangs with a machine that has vanished. Plain
  *tasks* that were queued there came back 15 s later, when the machine's heartbeats had been missed.
- An actor has one item at a time, so when it dies, it is known whose item may be guilty. *Ray Data* counts blocks, and
  gives up all of its work, or a block without names, when one item kills its workers again and again.
- An actor's start runs once, and its networks stay open until it is dismissed; while suspects run, all others are
  gone, and their memory is free.

Ray itself repeats nothing here (`max_restarts=0`): what is repeated, and how often, decides `crew`.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read at import: clusters that are started here tell nobody

import ray
from ray import exceptions

from packshot.errors import RequestError, first_line
from packshot.listing.crew import Crew
from packshot.listing.pool import WorkerDiedError

Item = TypeVar("Item")
Made = TypeVar("Made")

_ACCEPTED = "HOST:PORT of the head of a Ray cluster that this machine belongs to"
_CONNECT_SECONDS = 5
_ROOM_SECONDS = 2
STORE_BYTES = 80 * 2**20
"""Ray's least: answers are a few kilobytes, and pictures do not go through Ray."""
_DEATHS = (
    exceptions.RayActorError,
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.NodeDiedError,
    exceptions.ObjectLostError,  # an answer that went down with its machine
)


@dataclass(frozen=True, slots=True)
class RayPool(Generic[Item, Made]):
    """Applies a function of a module to items, on all machines of a cluster; see `pool.Executor`.

    Attributes:
        function: of a module that all machines have.
        start: called once in every worker, before its first item.
        workers: processes, each of which takes one core; 0 for all cores, also of machines that join later.
        address: HOST:PORT of the head; None starts Ray on this machine for as long as the work lasts. Where the
            process is connected already, that connection is used.
    """

    function: Callable[[Item], Made]
    start: Callable[[], None]
    workers: int = 0
    address: str | None = None

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, Made | WorkerDiedError], None, None]:
        """See `pool.Executor`.

        Raises:
            RequestError: the cluster can't be reached, takes no workers, or has machines without this packshot.
        """
        if not items:
            return
        with connected(self.address, self.workers):
            yield from Crew(_Cluster(self.function, self.start), self.workers).results(items)


def cores(address: str | None) -> int:
    """Of all machines of a cluster.

    Raises:
        RequestError: it can't be reached.
    """
    with connected(address):
        return _cores()


@contextmanager
def connected(address: str | None, workers: int = 0) -> Iterator[None]:
    """Be connected to a cluster, or to one of this machine alone that is started, and ended again.

    Raises:
        RequestError: it can't be reached.
    """
    if ray.is_initialized():
        yield
        return
    try:
        if address is None:
            ray.init(
                "local", num_cpus=workers or None, include_dashboard=False, object_store_memory=STORE_BYTES, **_QUIET
            )
        else:
            _reach(address)
            ray.init(address, **_QUIET)
    except RequestError:
        raise
    except Exception as error:  # of any type, as Ray's are
        raise RequestError("--ray-address", f"{address}: {first_line(error)}", _ACCEPTED) from error
    try:
        yield
    finally:
        ray.shutdown()


_QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}


def _reach(address: str) -> None:
    """Say so at once where nobody answers at an address: Ray itself tries for minutes, and then ends the process.

    A head speaks gRPC, which is HTTP/2: after the connection preface the first frame is of type SETTINGS (RFC 9113,
    3.4).
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "://" in address:
        raise RequestError("--ray-address", f"'{address}'", _ACCEPTED)
    try:
        with socket.create_connection((host, int(port)), _CONNECT_SECONDS) as peer:
            peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            frame = peer.recv(9, socket.MSG_WAITALL)
    except (OSError, OverflowError) as error:
        got = f"{address}, where nobody answers ({first_line(error)})"
        raise RequestError("--ray-address", got, _ACCEPTED) from None
    if len(frame) < 9 or frame[3] != 4:
        raise RequestError("--ray-address", f"{address}, where something else answers", _ACCEPTED)


def _cores() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def _unfit(message: str) -> RequestError:
    """A machine that can't even load what it has to do; the message ends with a traceback's last line."""
    machine = re.search(r"ip=([^,)]+)", message)
    got = f"a machine ({machine[1] if machine else 'unknown'}) with {message.rstrip().splitlines()[-1].strip()}"
    return RequestError("--executor ray", got, "the same packshot on all machines")


class _Worker:
    """Lives as an actor, in a process of its own."""

    def __init__(self, function: Callable[[Any], Any], start: Callable[[], None]) -> None:
        self.function, self.start = function, start

    def begin(self) -> None:
        self.start()

    def work(self, item: Any) -> Any:
        return self.function(item)


@dataclass(slots=True)
class _Cluster(Generic[Item, Made]):
    """Machines of a cluster; see `crew.Machines`."""

    function: Callable[[Item], Made]
    start: Callable[[], None]
    seen: tuple[float, int] = field(default=(-_ROOM_SECONDS, 0))

    def room(self) -> int:
        if time.monotonic() - self.seen[0] >= _ROOM_SECONDS:
            self.seen = time.monotonic(), _cores()
        return self.seen[1]

    def hire(self) -> tuple[Any, Any]:
        worker = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Worker).remote(self.function, self.start)
        return worker, worker.begin.remote()

    def give(self, worker: Any, item: Item) -> Any:
        return worker.work.remote(item)

    def wait(self, calls: Sequence[Any]) -> Sequence[Any]:
        if not calls:
            time.sleep(1)
            return ()
        first, rest = ray.wait(list(calls), num_returns=1, timeout=1)
        more, _ = ray.wait(rest, num_returns=len(rest), timeout=0) if first and rest else ([], [])
        return [*first, *more]

    def answer(self, call: Any) -> Any:
        try:
            return ray.get(call)
        except exceptions.RayTaskError as error:
            raise error.cause from error
        except _DEATHS as error:
            if getattr(error, "actor_init_failed", False):
                raise _unfit(str(error)) from error
            raise WorkerDiedError(first_line(error)) from error

    def dismiss(self, worker: Any) -> None:
        ray.kill(worker)
