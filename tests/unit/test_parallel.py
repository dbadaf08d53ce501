from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from packshot.generation.parallel import in_order, worker_count


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as opened:
        yield opened


def test_results_come_in_order_although_later_ones_are_ready_first(pool: ThreadPoolExecutor) -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    assert list(in_order(pool, slow_at_first, range(20), 8)) == [n * n for n in range(20)]


def test_items_are_made_side_by_side(pool: ThreadPoolExecutor) -> None:
    meeting = threading.Barrier(3, timeout=10)  # nobody passes alone
    assert len(list(in_order(pool, lambda _: meeting.wait(), range(3), 3))) == 3


def test_items_are_read_no_further_ahead_than_agreed(pool: ThreadPoolExecutor) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    results = in_order(pool, str, items(), 5)
    assert next(results) == "0"
    assert len(read) == 5
    results.close()


@pytest.mark.parametrize("where", ["items", "function"])
def test_an_error_comes_after_the_results_before_it(pool: ThreadPoolExecutor, where: str) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        if where == "items":
            raise KeyError("third")
        yield 3

    def fragile(number: int) -> int:
        if number == 3:
            raise KeyError("third")
        return number

    got = []
    with pytest.raises(KeyError, match="third"):
        for result in in_order(pool, fragile, items(), 8):
            got.append(result)
    assert got == [0, 1, 2]


def test_there_is_always_a_worker() -> None:
    assert 1 <= worker_count() <= 8
