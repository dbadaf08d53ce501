"""Who does what in a crew of workers that come, go and die on many machines, and what becomes of their items.

Decisions alone: how workers are had and asked is behind `Machines`, so that the same decisions run on Ray, and against
simulated machines within milliseconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from packshot.errors import RequestError
from packshot.listing.pool import TRIES, WorkerDiedError

Item = TypeVar("Item")
ItemIn = TypeVar("ItemIn", contravariant=True)
Made = TypeVar("Made")
MadeOut = TypeVar("MadeOut", covariant=True)
Worker = TypeVar("Worker")
Call = TypeVar("Call")

START_DEATHS = 10
"""So many workers in a row that die before they have started are no accident."""
PATIENCE = 300
"""Waits, of a second each, until somebody is told that no machine takes a worker."""


class Machines(Protocol[Worker, Call, ItemIn, MadeOut]):
    """Where workers live. Calls are hashable."""

    def room(self) -> int:
        """Workers that fit on the machines that are there now."""

    def hire(self) -> tuple[Worker, Call]:
        """A new worker, and the call that is over once it has started; it may have to wait for a machine."""

    def give(self, worker: Worker, item: ItemIn) -> Call:
        """Hand an item to a worker that has started and has none."""

    def wait(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Those that are over; none, if a second passes before the first of them is."""

    def answer(self, call: Call) -> MadeOut:
        """What came of a call that is over.

        Raises:
            WorkerDiedError: the worker, or its machine.
            Exception: what the item's function or the worker's start raised.
        """

    def dismiss(self, worker: Worker) -> None:
        """End a worker at once, whatever it does."""


class Crew(Generic[Item, Made, Worker, Call]):
    """As many workers as there is room for, each with one item at a time.

    An item whose worker has died runs again among the others, since whole machines vanish with all that runs there;
    where that worker dies as well, it runs last of all, with nobody else at work that could be the cause.

    Args:
        machines: where workers live.
        most: workers; 0 for as many as there is room for, also as machines come and go.
    """

    def __init__(self, machines: Machines[Worker, Call, Item, Made], most: int = 0) -> None:
        self.machines, self.most = machines, most
        self.starting: dict[Call, Worker] = {}
        self.idle: list[Worker] = []
        self.busy: dict[Call, tuple[Worker, int]] = {}
        self.start_deaths = self.waits = 0

    def results(self, items: Sequence[Item]) -> Generator[tuple[Item, Made | WorkerDiedError], None, None]:
        """Answers in the order in which they come, one for each item.

        Nothing is handed out while the caller is busy with an answer: work under way is at most one item a worker.

        Raises:
            RequestError: no worker can be had, or none stays alive until it has started.
            Exception: what an item's function or a worker's start raises.
        """
        waiting, suspects, deaths = deque(range(len(items))), list[int](), Counter[int]()
        try:
            while waiting or self.busy:
                self._hire(len(waiting) + len(self.busy))
                while self.idle and waiting:
                    self._give(items, waiting.popleft())
                for number, made in self._over():
                    if not isinstance(made, WorkerDiedError):
                        yield items[number], made
                        continue
                    deaths[number] += 1
                    (waiting if deaths[number] < TRIES else suspects).append(number)
            for number in suspects:
                self._dismiss_all()
                yield items[number], self._alone(items, number)
        finally:
            self._dismiss_all()

    def _alone(self, items: Sequence[Item], number: int) -> Made | WorkerDiedError:
        while not self.idle:
            self._hire(1)
            list(self._over())
        self._give(items, number)
        while True:
            for _, made in self._over():
                if isinstance(made, WorkerDiedError):
                    return WorkerDiedError(f"its worker died {TRIES + 1} times: killed, or out of memory")
                return made

    def _hire(self, wanted: int) -> None:
        """Keep up as many workers as there is room for and work for."""
        wanted = min(wanted, self.most or self.machines.room())
        for _ in range(wanted - len(self.starting) - len(self.idle) - len(self.busy)):
            worker, call = self.machines.hire()
            self.starting[call] = worker

    def _give(self, items: Sequence[Item], number: int) -> None:
        worker = self.idle.pop()
        self.busy[self.machines.give(worker, items[number])] = worker, number

    def _over(self) -> Iterator[tuple[int, Made | WorkerDiedError]]:
        """Items that are over, or their workers; after a second also nothing."""
        calls = self.machines.wait([*self.busy, *self.starting])
        self.waits = 0 if calls or self.busy else self.waits + 1
        if self.waits > PATIENCE:
            raise RequestError("workers", f"none within {PATIENCE} s", "machines with a free core")
        for call in calls:
            if call in self.starting:
                self._started(call)
                continue
            worker, number = self.busy.pop(call)
            try:
                made = self.machines.answer(call)
            except WorkerDiedError as died:
                self.machines.dismiss(worker)  # of one that only can't be reached, nothing may come later
                yield number, died
            else:
                self.idle.append(worker)
                yield number, made

    def _started(self, call: Call) -> None:
        worker = self.starting.pop(call)
        try:
            self.machines.answer(call)
        except WorkerDiedError as died:
            self.machines.dismiss(worker)
            self.start_deaths += 1
            if self.start_deaths >= START_DEATHS:
                got = f"{START_DEATHS} in a row that died while they started"
                raise RequestError("workers", got, "machines with memory to spare") from died
        else:
            self.start_deaths = 0
            self.idle.append(worker)

    def _dismiss_all(self) -> None:
        for worker in [*self.starting.values(), *self.idle, *(worker for worker, _ in self.busy.values())]:
            self.machines.dismiss(worker)
        self.starting, self.idle, self.busy = {}, [], {}
