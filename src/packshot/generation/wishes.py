"""Prompts and photos -> the condition vectors of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from packshot.generation.reference import Reference
from packshot.packs import Pack
from packshot.prompt import EMBEDDING_LENGTH, Prompt, colour_vector_of, embed

Array = NDArray[np.float32]
Oklab = tuple[float, float, float]
REMEMBERED = 64
"""Sentences whose vectors are kept."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a generator is asked for.

    Attributes:
        condition: (1, width).
        plain: (1, width) the same product and colours without usage, gender, material and style; None where the prompt
            says none of these.
        colour: that the product's main colour shall have, or None.
    """

    condition: Array
    plain: Array | None
    colour: Oklab | None


class Wishes:
    """The text graph of a pack."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._remembered = lru_cache(REMEMBERED)(self._encoded)

    def encode(self, slots: NDArray[np.int64], colours: Array, text: Array) -> Array:
        """Slots (N, S), colours (N, 8) and text (N, 512) -> (N, width); zeros stand for what is not said."""
        inputs = {"slots": slots, "colours": colours, "text": text}
        return np.asarray(self._pack.session("text.onnx").run(None, inputs)[0], np.float32)

    def of(self, prompt: Prompt, reference: Reference | None = None) -> Wish:
        """What a prompt asks for; where it names no colour, those of the photo are kept."""
        colours: Sequence[Oklab] = [colour.oklab for colour in prompt.colours]
        if not colours and reference is not None:
            colours = reference.colours
        condition = self._remembered(prompt.text, tuple(prompt.slot_values()), tuple(colours))
        return Wish(condition, self.plain(prompt.slot_values(), colours), colours[0] if colours else None)

    def plain(self, slots: Sequence[int], colours: Sequence[Oklab]) -> Array | None:
        """See `Wish.plain`; the category is the first slot."""
        if not any(slots[1:]):
            return None
        only = np.zeros((1, len(slots)), np.int64)
        only[0, 0] = slots[0]
        return self.encode(only, colour_vector_of(colours)[None], np.zeros((1, EMBEDDING_LENGTH), np.float32))

    def nothing(self, slots: int) -> Array:
        """The condition (1, width) of silence; `slots` is their number."""
        return self.encode(
            np.zeros((1, slots), np.int64), colour_vector_of([])[None], np.zeros((1, EMBEDDING_LENGTH), np.float32)
        )

    def _encoded(self, text: str, slots: tuple[int, ...], colours: tuple[Oklab, ...]) -> Array:
        return self.encode(np.asarray([slots], np.int64), colour_vector_of(colours)[None], embed([text]))


def between(first: Wish, last: Wish, share: float) -> Wish:
    """A wish on the straight line from one to the other; without a colour where either has none."""
    condition, plain = _mixed(first.condition, last.condition, share), None
    if first.plain is not None or last.plain is not None:
        beginning, end = (wish.condition if wish.plain is None else wish.plain for wish in (first, last))
        plain = _mixed(beginning, end, share)
    if first.colour is None or last.colour is None:
        return Wish(condition, plain, None)
    lightness, a, b = ((1 - share) * np.asarray(first.colour) + share * np.asarray(last.colour)).tolist()
    return Wish(condition, plain, (lightness, a, b))


def _mixed(first: Array, last: Array, share: float) -> Array:
    return ((1 - share) * first + share * last).astype(np.float32)
