"""Threads for what takes long in the server's own process: few, and apart from those that answer everybody else.

Forty threads answer plain requests. If uploads waited in those for their turn to be decoded, forty small files that
unpack to large pictures would keep everybody waiting until the last of them is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

_Result = TypeVar("_Result")


def _of(count: int) -> Callable[[], CapacityLimiter]:
    return lambda: CapacityLimiter(count)


@dataclass(frozen=True, slots=True)
class Threads:
    """Of one server; who waits for one takes none.

    Attributes:
        pictures: decode what clients send: two, since 50 megapixels take up to 400 MB, whatever their file's size.
        previews: make small versions of pictures.
        archives: hash and unpack catalogues.
    """

    pictures: CapacityLimiter = field(default_factory=_of(2))
    previews: CapacityLimiter = field(default_factory=_of(1))
    archives: CapacityLimiter = field(default_factory=_of(2))


async def run_in(limiter: CapacityLimiter, function: Callable[..., _Result], *arguments: object) -> _Result:
    """What a function returns, once one of a limiter's threads has done it."""
    return await anyio.to_thread.run_sync(function, *arguments, limiter=limiter)
