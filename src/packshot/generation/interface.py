"""What every back-end takes and gives. Knows no back-end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from packshot.errors import RequestError

LARGEST_COUNT = 1000
SMALLEST_SIDE_PX, LARGEST_SIDE_PX = 64, 2048
LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One wish: pictures of one prompt. Validates itself, so its messages exist once for Python, CLI and REST.

    Attributes:
        prompt: Chinese, English or both; see `packshot.prompt.parse`.
        count: how many pictures, 1 to 1,000.
        seed: picture `i` depends on `(seed, i)` and the rest of the request alone.
        size: side of the square picture, 64 to 2,048 pixels.
        background: `white`, `transparent`, a colour as `#rrggbb`, or the path of a picture.
        steps: evaluations of the network per picture, 1 to 100; None takes the pack's own number.
        guidance: adherence to the prompt, 0 to 20; None takes the pack's own.
        emphasis: stress on the words for usage, gender, material and style, 0 to 20; None takes the pack's own.
        negative: a description that the pictures move away from; '' for none.
        towards: a second prompt; the pictures go from the first to this one evenly, from one noise. '' for none.
        like: path of a photo that the pictures start from; '' for none.
        change: how much of that photo is given up, 0 to 1; at 1 only its colours are left, if the prompt names none.
        variety: between faithful and diverse, 0 to 2; 1 draws as the pack has learned, less keeps to what is typical.
        colour_lock: 0 keeps the colour as generated, 1 moves the product's main colour onto the requested one.

    Raises:
        RequestError: a value is out of range.
    """

    prompt: str
    count: int = 4
    seed: int = 0
    size: int = 256
    background: str = "white"
    steps: int | None = None
    guidance: float | None = None
    colour_lock: float = 1.0
    negative: str = ""
    towards: str = ""
    like: str = ""
    change: float = 0.6
    emphasis: float | None = None
    variety: float = 1.0

    def __post_init__(self) -> None:
        """Check every value."""
        if not self.prompt.strip():
            raise RequestError("prompt", "no words", "a description such as 'red running shoe' or '红色跑鞋'")
        _in_range("count", self.count, 1, LARGEST_COUNT)
        _in_range("size", self.size, SMALLEST_SIDE_PX, LARGEST_SIDE_PX)
        _in_range("seed", self.seed, 0, LARGEST_SEED)
        if self.steps is not None:
            _in_range("steps", self.steps, 1, 100)
        if self.guidance is not None:
            _in_range("guidance", self.guidance, 0, 20)
        if self.emphasis is not None:
            _in_range("emphasis", self.emphasis, 0, 20)
        _in_range("variety", self.variety, 0, 2)
        _in_range("colour lock", self.colour_lock, 0, 1)
        _in_range("change", self.change, 0, 1)
        if self.towards and self.count < 2:
            raise RequestError(
                "towards", f"a count of {self.count}", "2 or more pictures, from one prompt to the other"
            )
        if self.negative and self.guidance is not None and self.guidance <= 1:
            raise RequestError("negative", f"a guidance of {self.guidance:g}", "more than 1, or nothing moves away")
        if not self.background.strip():
            raise RequestError("background", "nothing", "white, transparent, #rrggbb or the path of a picture")

    def as_dict(self) -> dict[str, Any]:
        """The request as plain values, for recipes and JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Result:
    """One picture.

    Attributes:
        pixels: (size, size, 3) uint8 sRGB, or (size, size, 4) where the background is transparent.
        request: what was asked for.
        index: position among the request's pictures.
        recipe: everything needed to make the same bytes again: request, index, pack name and hash, version.
        prompt: how the prompt was understood, as plain values.
    """

    pixels: NDArray[np.uint8]
    request: GenerationRequest
    index: int
    recipe: Mapping[str, Any]
    prompt: Mapping[str, Any]


class Backend(Protocol):
    """A maker of pictures. Outsiders add one through the entry-point group `packshot.backends`."""

    name: str

    def check(self, request: GenerationRequest) -> object:
        """Raise what `generate` would raise because of the request, before anything is computed."""
        ...

    def generate(self, requests: Iterable[GenerationRequest]) -> Iterator[Result]:
        """Yield every picture of every request, in order, as soon as it is made."""
        ...


def _in_range(name: str, value: float, smallest: float, largest: float) -> None:
    if not (math.isfinite(value) and smallest <= value <= largest):
        raise RequestError(name, f"{value:,}", f"{smallest:,} to {largest:,}")
