"""A back-end behind the guard: words are looked at before it draws, pictures before anybody gets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from packshot.errors import InputError
from packshot.generation.interface import Backend, GenerationRequest, Result
from packshot.images import open_picture
from packshot.safety import Guard, current
from packshot.safety.guard import outcome

_REMEMBERED = 1000
"""Photos that passed, at most: a server's back-end lives long."""


class GuardedBackend:
    """Another back-end's pictures, as far as a guard lets them pass; see `Backend`.

    Args:
        inner: the back-end.
        guard: None for the one that is in use whenever something is looked at, see `packshot.safety.current`.

    Attributes:
        inner: see there.
        pack: of the back-end; None where it has none.
    """

    def __init__(self, inner: Backend, guard: Guard | None = None) -> None:
        self.inner, self._given = inner, guard
        self.name = inner.name
        self.pack: Any = getattr(inner, "pack", None)
        self._seen: set[tuple[object, ...]] = set()

    @property
    def guard(self) -> Guard:
        """Who looks."""
        return self._given or current()

    def check(self, request: GenerationRequest) -> object:
        """Raise what the guard or the back-end has against a request, before anything is computed.

        Raises:
            UnsafeError: its words name what is refused, or a photo that it begins with or is put into is unsafe.
        """
        self._words(request)
        understood = self.inner.check(request)
        self._photos(request)
        return understood

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Result]:
        """Yield pictures; each recipe says how it was looked at.

        Raises:
            UnsafeError: as in `check`, or a picture came out unsafe; those before it have been yielded.
        """

        def looked_at() -> Iterator[GenerationRequest]:
            for request in requests:
                self._words(request)
                self._photos(request)
                yield request

        for result in self.inner.generate(looked_at()):
            request = result.request
            where = f"picture {result.index + 1} of seed {request.seed}"
            seen = self.guard.picture(result.pixels, where)
            recipe = {**result.recipe, "safety": outcome(self._words(request), seen)}
            yield replace(result, recipe=recipe)

    def _words(self, request: GenerationRequest) -> tuple[str, ...]:
        """What is drawn; `negative` is what is not."""
        found = self.guard.words(request.prompt, "prompt")
        return found + self.guard.words(request.towards, "towards")

    def _photos(self, request: GenerationRequest) -> None:
        """Photos that come into the pictures, each once."""
        for where, name in (("like", request.like), ("background", request.background)):
            path = Path(name)
            if not name or not path.is_file():
                continue
            status = path.stat()
            key = (self.guard, path, status.st_mtime_ns, status.st_size)
            if key in self._seen:
                continue
            try:
                pixels = open_picture(path, where=name)
            except InputError:
                continue  # the back-end says what is wrong with it
            self.guard.picture(pixels, where)
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen.add(key)
