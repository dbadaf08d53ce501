"""What every kind of job takes and gives. Knows none of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from packshot.errors import RequestError
from packshot.server.assets import Asset, Assets, NewAsset
from packshot.server.ids import is_id
from packshot.server.settings import Settings

Lane = Literal["quick", "slow"]


class CancelledJobError(Exception):
    """Somebody asked to cancel the job."""


class InterruptedJobError(Exception):
    """The worker stops: the job goes back to the queue, to be gone on with."""


class Context(Protocol):
    """What a job knows of its surroundings."""

    settings: Settings
    assets: Assets
    job_id: str

    def progress(self, done: float, total: float, stage: str = "") -> None:
        """Say how far the job is.

        Raises:
            CancelledJobError: it shall stop here.
        """
        ...

    def look(self) -> None:
        """For jobs that take long: whether to go on.

        Raises:
            CancelledJobError: it shall stop here.
            InterruptedJobError: it shall stop here, and be gone on with by another worker.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job made.

    Attributes:
        result: plain values, for the job's `result`.
        assets: files to keep; their ids are put into `result["assets"]`, in this order.
    """

    result: Mapping[str, Any]
    assets: Sequence[NewAsset] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of job.

    Attributes:
        kind: its name.
        lane: which workers do it.
        run: does it; what it raises ends the job as failed.
        expected_seconds: of a worker's time for a request, to tell how long others wait.
        warm: makes what comes first quick; called once in each worker.
        grace_seconds: that it may take to stop when it is cancelled.
    """

    kind: str
    lane: Lane
    run: Callable[[Mapping[str, Any], Context], Outcome]
    expected_seconds: Callable[[Mapping[str, Any]], float]
    warm: Callable[[Settings], None] | None = None
    grace_seconds: float = 5.0


def file_of(assets: Assets, identity: str, where: str) -> tuple[Asset, Path]:
    """An asset that a request names, and its file.

    Raises:
        RequestError: it is no id of an asset, or there is none. A path or URL never gets further than this.
    """
    found = assets.get(identity) if is_id(identity, "asset") else None
    if found is None:
        raise RequestError(where, f"'{identity[:80]}'", "the id of an uploaded or made picture, asset_…")
    return found, assets.path_of(found.sha256)
