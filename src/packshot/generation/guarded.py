"""A back-end behind the guard: words are looked at before it draws, pictures before anybody gets them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from packshot.errors import InputError
from packshot.generation.interface import Backend, GenerationRequest, Result
from packshot.images import open_picture
from packshot.safety import Guard
from packshot.safety.guard import outcome


class GuardedBackend:
    """Another back-end's pictures, as far as a guard lets them pass; see `Backend`.

    Attributes:
        inner: the back-end.
        guard: see `packshot.safety`.
        pack: of the back-end; None where it has none.
    """

    def __init__(self, inner: Backend, guard: Guard) -> None:
        self.inner, self.guard = inner, guard
        self.name = inner.name
        self.pack: Any = getattr(inner, "pack", None)
        self._seen: set[str] = set()

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
            seen = self.guard.picture(result.pixels, f"picture {result.index + 1} of the prompt, seed {request.seed}")
            recipe = {**result.recipe, "safety": outcome(self._words(request), seen)}
            yield replace(result, recipe=recipe)

    def _words(self, request: GenerationRequest) -> tuple[str, ...]:
        """What is drawn; `negative` is what is not."""
        found = self.guard.words(request.prompt, "prompt")
        return found + self.guard.words(request.towards, "towards")

    def _photos(self, request: GenerationRequest) -> None:
        """Photos that come into the pictures, each once."""
        named = [("like", request.like), ("background", request.background)]
        for where, path in named:
            if path and path not in self._seen and Path(path).is_file():
                self._seen.add(path)
                try:
                    pixels = open_picture(Path(path), where=path)
                except InputError:
                    continue  # the back-end says what is wrong with it
                self.guard.picture(pixels, f"{where}: {path}")
