"""Which pictures a worker makes in one go: those of one photo, which then is decoded and cut out once."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TypeVar

from packshot.listing.plan import PlannedPicture
from packshot.listing.pool import Executor, WorkerDiedError
from packshot.listing.sets import ROLES

Answer = TypeVar("Answer")
Group = tuple[PlannedPicture, ...]

TOGETHER = 8
"""Most pictures in a group: so many are made once more when a run is killed, and for so long other workers may have
nothing to do at its end."""


def groups(pictures: Sequence[PlannedPicture], workers: int) -> list[Group]:
    """The pictures in groups that begin with one photo, or one product in words, which come in their order.

    Within a photo equal roles are neighbours: channels that want the same size get the same picture, made once.
    """
    by_start: dict[object, list[PlannedPicture]] = {}
    for picture in pictures:
        start = (picture.sku, picture.request) if picture.photo is None else picture.photo.sha256
        by_start.setdefault(start, []).append(picture)
    most = max(1, min(TOGETHER, math.ceil(len(pictures) / (2 * max(1, workers)))))
    found: list[Group] = []
    for same in by_start.values():
        same.sort(key=lambda picture: (ROLES.index(picture.role), picture.number))  # stable: channels as they come
        found += [tuple(same[at : at + most]) for at in range(0, len(same), most)]
    return found


def answers(
    pool: Executor[Group, Sequence[Answer]], pictures: Sequence[PlannedPicture], workers: int
) -> Generator[tuple[PlannedPicture, Answer | WorkerDiedError], None, None]:
    """One answer for each picture, of a pool that takes groups and gives an answer for each of their pictures.

    The pictures of a group whose worker died are made again, each alone, so that only the guilty one is lost.
    """
    waiting = groups(pictures, workers)
    while waiting:
        alone: list[Group] = []
        with closing(pool.results(waiting)) as results:
            for group, made in results:
                if not isinstance(made, WorkerDiedError):
                    yield from zip(group, made, strict=False)  # fewer where one says that all must stop
                elif len(group) == 1:
                    yield group[0], made
                else:
                    alone += [(picture,) for picture in group]
        waiting = alone
