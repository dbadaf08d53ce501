"""Pictures side by side: one thread each, results in order.

A graph on one thread wastes nothing on waiting for others, and rounds the same on every machine; cores are used by
making several pictures at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST_WORKERS = 8


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count() -> int:
    """The cores this process may use, at most eight."""
    return max(1, min(MOST_WORKERS, cores()))


def in_order(pool: Executor, function: Callable[[Item], Made], items: Iterable[Item], ahead: int) -> Iterator[Made]:
    """Apply a function to items on a pool, and yield the results in the items' order.

    Args:
        pool: stays open.
        function: is called with one item at a time, on any thread.
        items: read at most `ahead` items before their results are taken.
        ahead: at least 1.

    Raises:
        Exception: what `function` or `items` raises, after the results of the items before it.
    """
    waiting: deque[Future[Made]] = deque()
    source, failure = iter(items), None
    try:
        while failure is None:
            try:
                waiting.append(pool.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:
                failure = error
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
    if failure is not None:
        raise failure
