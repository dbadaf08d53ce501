"""Every item gets exactly one answer, also where its worker is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from packshot.listing.journal import append, read_lines
from packshot.listing.pool import LocalPool, WorkerDiedError

GUILTY = 3


def doubled(item: int) -> int:
    if item == GUILTY:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def nothing() -> None: ...


def test_a_killed_worker_costs_its_own_item_alone() -> None:
    answers = list(LocalPool(doubled, nothing, 2).results(range(7)))
    assert sorted(item for item, _ in answers) == list(range(7))
    found = dict(answers)
    assert isinstance(found.pop(GUILTY), WorkerDiedError)
    assert found == {item: 2 * item for item in range(7) if item != GUILTY}


def test_torn_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, {"key": "1"})
    path.write_bytes(path.read_bytes() + b'{"key": "2"')
    assert read_lines(path) == [{"key": "1"}]
