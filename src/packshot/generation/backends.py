"""The visible table of back-ends."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from packshot.errors import RequestError
from packshot.generation.embedded import DEFAULT_PACK, EmbeddedBackend
from packshot.generation.fake import FakeBackend
from packshot.generation.guarded import GuardedBackend
from packshot.generation.interface import Backend
from packshot.safety import Guard

BACKENDS: dict[str, Callable[[str], Backend]] = {
    "embedded": EmbeddedBackend,
    "fake": lambda pack: FakeBackend(),
}
"""Name -> function of the pack's name."""


def open_backend(name: str = "embedded", pack: str = DEFAULT_PACK, guard: Guard | None = None) -> GuardedBackend:
    """Open a back-end of this table, or one that another package registers under `packshot.backends`.

    Args:
        name: of the back-end.
        pack: name or folder of its pack.
        guard: that refuses words and pictures; None for the one in use.

    Raises:
        RequestError: there is none of that name.
        PackError: its pack is missing or damaged.
    """
    return GuardedBackend(_opened(name, pack), guard)


def _opened(name: str, pack: str) -> Backend:
    if name in BACKENDS:
        return BACKENDS[name](pack)
    outside = {point.name: point for point in entry_points(group="packshot.backends")}
    if name in outside:
        made: Backend = outside[name].load()(pack)
        return made
    raise RequestError("backend", f"'{name}'", ", ".join([*BACKENDS, *outside]))
