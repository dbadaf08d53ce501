"""Every item gets exactly one answer, also where its worker is killed."""

from __future__ import annotations

import os
import signal

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
