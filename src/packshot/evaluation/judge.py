"""Reading pictures with the judge: a classifier trained on real product pictures only. Runs on ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from packshot.errors import InputError, PackError
from packshot.packs import Pack, find_pack

Array = NDArray[np.float32]

DEFAULT_JUDGE = "judge-v2"
GRAPH = "judge.onnx"
_BATCH = 64


@dataclass(frozen=True, slots=True)
class JudgeReading:
    """What a judge sees in N pictures.

    Attributes:
        categories: N names of the most probable category.
        category_probabilities: (N, categories of the judge), rows sum to 1.
        colours: N words of the most probable colour.
        colour_probabilities: (N, colour words of the judge), rows sum to 1.
        features: (N, D) the penultimate layer.
    """

    categories: list[str]
    category_probabilities: Array
    colours: list[str]
    colour_probabilities: Array
    features: Array


class Judge:
    """A judge's pack, opened."""

    def __init__(self, pack: Pack) -> None:
        """Check and open a pack.

        Raises:
            PackError: the pack is of another kind, incomplete or damaged.
        """
        if pack.kind != "judge":
            raise PackError(pack.folder, f"a pack of kind '{pack.kind}'", "'judge'")
        missing = [key for key in ("categories", "colours", "resolution") if key not in pack.manifest]
        if missing:
            raise PackError(pack.folder, f"a manifest without {', '.join(missing)}", "a judge's manifest")
        self.name = pack.name
        self.categories = tuple(str(name) for name in pack.manifest["categories"])
        self.colours = tuple(str(word) for word in pack.manifest["colours"])
        self.resolution = int(pack.manifest["resolution"])
        self._session = pack.session(GRAPH)

    @classmethod
    def open(cls, name_or_folder: str = DEFAULT_JUDGE) -> Judge:
        """Find and open a judge.

        Raises:
            PackError: there is none of that name, or it is damaged.
        """
        return cls(find_pack(name_or_folder, ("judge",)))

    def read(self, pictures: NDArray[np.uint8]) -> JudgeReading:
        """Judge pictures.

        Args:
            pictures: (N, H, W, 3) sRGB bytes, product on white, N >= 1; other sizes than the judge's are resized.

        Raises:
            InputError: the array has another shape or type, or is empty.
        """
        x = resized(pictures, self.resolution)
        parts = [self._run(x[start : start + _BATCH]) for start in range(0, len(x), _BATCH)]
        category, colour, features = (np.concatenate(part) for part in zip(*parts, strict=True))
        return JudgeReading(
            [self.categories[k] for k in category.argmax(1)],
            _softmax(category),
            [self.colours[k] for k in colour.argmax(1)],
            _softmax(colour),
            features,
        )

    def _run(self, pictures: NDArray[np.uint8]) -> tuple[Array, Array, Array]:
        x = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / np.float32(127.5) - np.float32(1)
        category, colour, features = self._session.run(["category", "colour", "features"], {"x": x})
        return category, colour, features


def resized(pictures: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Square pictures of one side, by Pillow: BOX where it shrinks by a whole number, LANCZOS otherwise.

    Args:
        pictures: (N, H, W, 3) sRGB bytes, N >= 1.
        side: wanted, pixels.

    Raises:
        InputError: the array has another shape or type, or is empty.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or not pictures.size:
        raise InputError("pictures", f"{pictures.dtype} {pictures.shape}", "uint8 (N, H, W, 3) with N >= 1")
    height, width = pictures.shape[1:3]
    if (height, width) == (side, side):
        return pictures
    whole = height % side == 0 and width % side == 0
    filter_ = Image.Resampling.BOX if whole else Image.Resampling.LANCZOS
    return np.stack([np.asarray(Image.fromarray(p).resize((side, side), filter_)) for p in pictures])


def _softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(1, keepdims=True), np.float32)
