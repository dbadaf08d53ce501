"""A discrete-event simulation of machines with workers, for `packshot.listing.crew`: virtual time, real decisions.

Machines vanish at random and come back; a worker takes a while to start; the process that hands out items is busy for a
moment with each. Nothing is computed, so a night on a hundred machines takes seconds.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from packshot.listing.pool import WorkerDiedError


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the simulated world is like; all times in seconds.

    Attributes:
        nodes: machines.
        cores: of each.
        start: until a new worker is ready.
        driver: of the process that hands items out, for each answer that it takes.
        between_deaths: of one machine, on average (exponential); infinite for none.
        away: until another machine takes its place.
        noticed: from a machine's death until those who wait for its workers are told.
    """

    nodes: int
    cores: int = 1
    start: float = 2.0
    driver: float = 0.0
    between_deaths: float = float("inf")
    away: float = 180.0
    noticed: float = 1.5


@dataclass(eq=False, slots=True)
class _Node:
    up: bool = True
    known: bool = True  # to be up, by those who place workers
    workers: list[_Worker] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Worker:
    node: _Node | None = None
    start: int = 0
    call: int | None = None  # what it is at


class SimulatedMachines:
    """See `crew.Machines`. Items are numbers.

    Args:
        conditions: of the world.
        seconds: that an item takes.
        deadly: whether an item kills the process it is in.
        rng: of machines' deaths.
    """

    def __init__(
        self,
        conditions: Conditions,
        seconds: Callable[[int], float],
        deadly: Callable[[int], bool] = lambda item: False,
        rng: random.Random | None = None,
    ) -> None:
        self.conditions, self.seconds, self.deadly = conditions, seconds, deadly
        self.rng = rng or random.Random(1)
        self.now, self.node_deaths, self.busy_seconds = 0.0, 0, 0.0
        self.runs: list[int] = []
        self._numbers, self._events = itertools.count(), list[tuple[float, int, Callable[[], None]]]()
        self._over: dict[int, Any] = {}
        self._queue: list[_Worker] = []
        self._nodes = [_Node() for _ in range(conditions.nodes)]
        for node in self._nodes:
            self._doom(node)

    def room(self) -> int:
        return sum(node.known for node in self._nodes) * self.conditions.cores

    def hire(self) -> tuple[_Worker, int]:
        worker = _Worker(start=next(self._numbers))
        worker.call = worker.start
        self._queue.append(worker)
        self._place()
        return worker, worker.start

    def give(self, worker: _Worker, item: int) -> int:
        call = worker.call = next(self._numbers)
        self.runs.append(item)
        if worker.node is None or not worker.node.up:
            self._at(self.conditions.noticed, lambda: self._end(call, None))
            return call
        if self.deadly(item):
            self._at(self.seconds(item) / 2, lambda: self._crash(worker, call))
        else:
            self._at(self.seconds(item), lambda: self._done(worker, call, item))
        return call

    def wait(self, calls: Sequence[int]) -> Sequence[int]:
        until = self.now + 1
        while not (over := [call for call in calls if call in self._over]):
            if not self._events or self._events[0][0] > until:
                self.now = until
                return ()
            self.now, _, event = heapq.heappop(self._events)
            event()
        return over

    def answer(self, call: int) -> Any:
        self.now += self.conditions.driver
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        made = self._over.pop(call)
        if made is None:
            raise WorkerDiedError("simulated")
        return made

    def dismiss(self, worker: _Worker) -> None:
        worker.call = None
        if worker in self._queue:
            self._queue.remove(worker)
        if worker.node is not None and worker in worker.node.workers:
            worker.node.workers.remove(worker)
        self._place()

    @property
    def workers(self) -> Iterator[_Worker]:
        """All that have a place or wait for one."""
        return itertools.chain(self._queue, *(node.workers for node in self._nodes))

    def _at(self, after: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + after, next(self._numbers), event))

    def _end(self, call: int, made: Any) -> None:
        self._over.setdefault(call, made)

    def _done(self, worker: _Worker, call: int, item: int) -> None:
        if worker.call == call and worker.node is not None and worker.node.up:
            self.busy_seconds += self.seconds(item)
            self._end(call, ("made", item))

    def _crash(self, worker: _Worker, call: int) -> None:
        if worker.call == call:
            self._end(call, None)

    def _place(self) -> None:
        """Put queued workers on machines with a free core, as far as is known."""
        for node in self._nodes:
            while self._queue and node.known and len(node.workers) < self.conditions.cores:
                worker = self._queue.pop(0)
                worker.node = node
                node.workers.append(worker)
                self._at(self.conditions.start, lambda worker=worker: self._started(worker))  # type: ignore[misc]

    def _started(self, worker: _Worker) -> None:
        if worker.call == worker.start and worker.node is not None and worker.node.up:
            self._end(worker.start, "started")

    def _doom(self, node: _Node) -> None:
        if self.conditions.between_deaths != float("inf"):
            self._at(self.rng.expovariate(1 / self.conditions.between_deaths), lambda: self._die(node))

    def _die(self, node: _Node) -> None:
        self.node_deaths += 1
        node.up = False
        self._at(self.conditions.noticed, lambda: self._notice(node))
        self._at(self.conditions.noticed + self.conditions.away, lambda: self._return(node))

    def _notice(self, node: _Node) -> None:
        """Calls of its workers are over, but those that had not started are placed elsewhere."""
        node.known = False
        for worker in node.workers:
            if worker.call is None:
                continue
            if worker.call == worker.start and worker.start not in self._over:
                worker.node = None
                self._queue.append(worker)
            else:
                self._end(worker.call, None)
        node.workers = []
        self._place()

    def _return(self, node: _Node) -> None:
        node.up = node.known = True
        self._doom(node)
        self._place()
