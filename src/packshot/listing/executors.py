"""Where a run's work is done: in processes of this machine, or on a cluster of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeVar

from packshot.errors import MissingExtraError, RequestError
from packshot.generation.parallel import cores
from packshot.listing.pool import Executor, LocalPool

Item = TypeVar("Item")
Made = TypeVar("Made")

EXECUTORS = ("local", "ray")


@dataclass(frozen=True, slots=True)
class Workforce:
    """Workers, as a user asks for them.

    Attributes:
        executor: one of `EXECUTORS`.
        workers: processes, each with one core; 0 for all cores.
        address: HOST:PORT of a Ray cluster's head; None starts Ray on this machine.

    Raises:
        RequestError: one of them is not acceptable.
        MissingExtraError: Ray is not installed.
    """

    executor: str = "local"
    workers: int = 0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.executor not in EXECUTORS:
            raise RequestError("--executor", f"'{self.executor}'", " or ".join(EXECUTORS))
        if self.workers < 0:
            raise RequestError("--workers", self.workers, "0 for all cores, or more")
        if self.executor == "ray" and find_spec("ray") is None:
            raise MissingExtraError("--executor ray", "no module ray", "pip install 'packshot[ray]'")
        if self.address is not None and self.executor != "ray":
            raise RequestError("--ray-address", f"--executor {self.executor}", "--executor ray")

    @property
    def elsewhere(self) -> bool:
        """Whether work may be done on other machines."""
        return self.address is not None

    def size(self) -> int:
        """Workers, for estimates.

        Raises:
            RequestError: a cluster can't be reached.
        """
        if self.workers or self.address is None:
            return self.workers or cores()
        from packshot.listing import ray_pool

        return max(1, ray_pool.cores(self.address))

    def open(self, function: Callable[[Item], Made], start: Callable[[], None]) -> Executor[Item, Made]:
        """An executor for a function of a module; nobody works yet."""
        if self.executor == "local":
            return LocalPool(function, start, self.size())
        from packshot.listing.ray_pool import RayPool

        return RayPool(function, start, self.workers, self.address)
