"""Examine rows in processes, in order, with a bounded number on their way."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from packshot.catalogue.examine import Outcome, Settings, examine
from packshot.catalogue.readers import Item
from packshot.catalogue.rows import BadRow
from packshot.errors import InputError
from packshot.lexicon.kinds import install_kinds, own_kinds_as_rows

_BATCH = 16
_BATCHES_PER_WORKER = 4


def examine_all(items: Iterable[Item], settings: Settings, workers: int) -> Iterator[Outcome]:
    """Outcomes of all rows, in their order, whatever the number of workers.

    Args:
        items: read as they are needed: at most 64 rows for each worker are in memory.
        settings: for every row.
        workers: processes; 1 works in this one.

    Raises:
        InputError: a picture brought a worker process down.
    """
    source = iter(items)
    if workers == 1:
        while batch := list(islice(source, _BATCH)):
            yield from _examine_batch(batch, settings)
        return
    # Not fork: readers of Parquet and of URLs run threads, which a forked child would lack while it holds their locks.
    context = multiprocessing.get_context("spawn")
    kinds = own_kinds_as_rows(), "kinds"
    with ProcessPoolExecutor(workers, mp_context=context, initializer=install_kinds, initargs=kinds) as pool:
        under_way: deque[tuple[list[Item], Future[list[Outcome]]]] = deque()
        try:
            while True:
                while len(under_way) < workers * _BATCHES_PER_WORKER and (batch := list(islice(source, _BATCH))):
                    under_way.append((batch, pool.submit(_examine_batch, batch, settings)))
                if not under_way:
                    return
                batch, future = under_way.popleft()
                try:
                    yield from future.result()
                except BrokenProcessPool:
                    where = f"{batch[0].place} and after"
                    raise InputError(
                        where, "a picture that ends the worker process", "pictures; workers=1 shows more"
                    ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _examine_batch(items: list[Item], settings: Settings) -> list[Outcome]:
    return [item if isinstance(item, BadRow) else examine(item, settings) for item in items]
