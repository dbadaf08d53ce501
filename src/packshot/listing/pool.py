"""Work on all cores of this machine: processes that may die, and every item nevertheless gets exactly one answer."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
MadeOut = TypeVar("MadeOut", covariant=True)

TRIES = 2
"""How often an item runs again, once a worker has died while it was there."""


class WorkerDiedError(Exception):
    """An item whose worker dies whenever it is worked on: out of memory, or killed from outside."""


class Executor(Protocol[Item, MadeOut]):
    """Something that applies one function to items in workers, which begin with one call of a start function."""

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, MadeOut | WorkerDiedError], None, None]:
        """Answers in the order in which they come, one for each item; closed early, its workers end.

        Work under way is bounded: who is slow to take answers slows the workers down. A worker's death costs its item
        another run, and only an item whose workers die `TRIES` times more is answered with `WorkerDiedError`. When the
        process that asks dies, so do its workers.

        Raises:
            Exception: what the function or the start raises.
        """


class LocalPool(Generic[Item, Made]):
    """Applies a function of a module to items, each in one of several processes.

    Args:
        function: of a module's top level; what it raises is raised again by `results`.
        start: called once in every process, before the first item; what it raises, too.
        workers: processes; fewer where there are fewer items.
    """

    def __init__(self, function: Callable[[Item], Made], start: Callable[[], None], workers: int) -> None:
        self.function, self.start, self.workers = function, start, workers

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, Made | WorkerDiedError], None, None]:
        """Answers in the order in which they come, one for each item.

        When a worker dies, those items that were under way run again, each alone, so that only the guilty one is lost.

        Raises:
            Exception: what the function raises.
        """
        waiting, suspects = deque(items), deque[Item]()
        while waiting or suspects:
            if suspects:
                yield self._alone(suspects.popleft())
            else:
                yield from self._side_by_side(waiting, suspects)

    def _side_by_side(self, waiting: deque[Item], suspects: deque[Item]) -> Iterator[tuple[Item, Made]]:
        """Until all are done or a worker dies; those that were under way then are suspects."""
        running: dict[Future[Made], Item] = {}
        pool = self._pool(max(1, min(self.workers, len(waiting))))
        try:
            while waiting or running:
                while waiting and len(running) < 2 * self.workers:
                    item = waiting.popleft()
                    try:
                        running[pool.submit(_work, self.function, item)] = item
                    except BrokenProcessPool:
                        waiting.appendleft(item)
                        break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    if isinstance(future.exception(), BrokenProcessPool):
                        continue
                    yield running.pop(future), future.result()
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    break
            suspects.extend(running.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _alone(self, item: Item) -> tuple[Item, Made | WorkerDiedError]:
        for _ in range(TRIES):
            with self._pool(1) as pool:
                try:
                    return item, pool.submit(_work, self.function, item).result()
                except BrokenProcessPool:
                    continue
        return item, WorkerDiedError(f"its worker died {TRIES} times: killed, or out of memory")

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        """Fresh processes: a fork would copy threads' locks of onnxruntime and OpenCV as they happen to be."""
        return ProcessPoolExecutor(workers, get_context("spawn"), _begin, (os.getpid(), self.start))


_unfit: Exception | None = None
"""In a worker: what its start has raised."""


def _begin(parent: int, start: Callable[[], None]) -> None:
    global _unfit
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        start()
    except Exception as error:
        _unfit = error


def _work(function: Callable[[Any], Made], item: Any) -> Made:
    if _unfit is not None:
        raise _unfit
    return function(item)


def _end_with(parent: int) -> None:
    """A killed parent leaves no workers behind that go on writing."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
