"""Who does what in a crew, on simulated machines: every item is answered once, whatever vanishes."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from packshot.errors import RequestError
from packshot.listing.crew import PATIENCE, Crew
from packshot.listing.pool import TRIES, WorkerDiedError

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from simulated_machines import Conditions, SimulatedMachines


def seconds(item: int) -> float:
    return 0.5 + item % 7 / 3


@pytest.mark.parametrize("seed", range(20))
def test_each_item_is_answered_once_while_machines_come_and_go(seed: int) -> None:
    rng = random.Random(seed)
    conditions = Conditions(
        rng.randint(1, 12), rng.randint(1, 3), between_deaths=rng.choice([15, 60, 300]), away=rng.choice([5, 60])
    )
    machines = SimulatedMachines(conditions, seconds, lambda item: item % 50 == 3, rng)
    crew = Crew(machines, rng.choice([0, 0, 2]))
    answers = list(crew.results(range(150)))
    assert sorted(item for item, _ in answers) == list(range(150))
    lost = {item for item, made in answers if isinstance(made, WorkerDiedError)}
    assert {3, 53, 103} <= lost
    assert all(made == ("made", item) for item, made in answers if item not in lost)
    runs = Counter(machines.runs)
    assert all(runs[item] == 1 + TRIES for item in lost) and max(runs.values()) == 1 + TRIES
    assert not list(machines.workers)


def test_only_the_guilty_are_lost_where_machines_live_for_minutes() -> None:
    machines = SimulatedMachines(Conditions(20, between_deaths=120, away=20), seconds, lambda item: item == 3)
    lost = [item for item, made in Crew(machines).results(range(2000)) if isinstance(made, WorkerDiedError)]
    assert lost == [3] and machines.node_deaths > 20


def test_all_cores_are_used_also_of_machines_that_come_back() -> None:
    machines = SimulatedMachines(Conditions(10, 2, start=1), lambda item: 1.0)
    assert len(list(Crew(machines).results(range(2000)))) == 2000
    assert machines.now < 1.05 * (1 + 2000 / 20)
    few = SimulatedMachines(Conditions(10, 2, start=1), lambda item: 1.0)
    assert len(list(Crew(few, 3).results(range(300)))) == 300
    assert 100 <= few.now < 110


def test_suspects_run_last_and_alone() -> None:
    class Watched(SimulatedMachines):
        def give(self, worker: object, item: int) -> int:
            if item == 3:
                beside.append(len(list(self.workers)) - 1)
            return super().give(worker, item)  # type: ignore[arg-type]

    beside: list[int] = []
    machines = Watched(Conditions(5), seconds, lambda item: item == 3)
    assert list(Crew(machines).results(range(40)))[-1][0] == 3
    assert len(beside) == 1 + TRIES and beside[-1] == 0 < beside[0]


def test_nothing_is_handed_out_while_the_caller_is_busy() -> None:
    machines = SimulatedMachines(Conditions(4), lambda item: 1.0)
    answers = Crew(machines).results(range(100))
    next(answers)
    assert len(machines.runs) == 4
    answers.close()
    assert not list(machines.workers)


def test_no_machines_and_none_that_keep_a_worker_alive_are_said() -> None:
    none = SimulatedMachines(Conditions(0), seconds)
    with pytest.raises(RequestError, match=f"none within {PATIENCE} s"):
        list(Crew(none).results(range(3)))
    assert PATIENCE <= none.now < PATIENCE + 10

    class Tight(SimulatedMachines):
        def _started(self, worker: object) -> None:
            self._end(worker.start, None)  # type: ignore[attr-defined]

    with pytest.raises(RequestError, match="died while they started"):
        list(Crew(Tight(Conditions(2), seconds)).results(range(3)))
