"""What is measured on a picture, each number once and only when a rule asks for it. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.editing.certificate import Source
from packshot.editing.cutout import cutout, network, network_coverage
from packshot.editing.scene import Scene
from packshot.images import Layers, flattened, open_layers
from packshot.listing.facts import Facts, read_facts
from packshot.listing.lines import Line, find_lines
from packshot.listing.memory import Recent, digest
from packshot.listing.product import Box, Product, product_in
from packshot.listing.sharpness import edge_blur

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WORKING_PX = 800
"""Longest side at which the product is looked for."""
MCU_PX = 16
"""Pixels around the product that a JPEG's blocks may have changed: not asked to be exactly white."""
INK = 250
"""Darkest channel below which a pixel is not the background, where that is exactly white."""
EXACT = 0.9
"""Share of the frame's border that is white, from which the background is white without a further look."""
LIGHT, TINT, ROUGH = 0.93, 0.02, 0.01
"""OKLab lightness, chroma and unevenness of a border that is a studio's white, as in `framing.is_plain_white`."""
APART = 10
"""Levels by which the product differs from such a background."""
CORNER = 0.2
"""Share of the frame that is a corner."""
DARK, MARK = 225, 4e-4
"""Darkest channel below which a piece in a corner is more than dust, and the least share of the frame that it is on."""
STRIP = 0.08
"""Share of the frame up to which a strip along its side is a border."""
STEP = 14
"""Levels by which it ends."""
STRAIGHT = 0.93
"""Share of the side along which it does."""
_BORDER = 0.01  # of the shorter side, at least two pixels
_NEAR = 0.02  # of the longer side: by which the network's outline may be wrong


@dataclass(frozen=True, slots=True)
class White:
    """How white the background is.

    Attributes:
        border: share of the frame's outermost pixels, without the product, that are exactly 255, 255, 255.
        background: the same of all background pixels at least `MCU_PX` from the product.
        worst: levels by which the darkest channel of the worst of them is below 255.
        mean: their mean colour.
    """

    border: float
    background: float
    worst: int
    mean: tuple[int, int, int]


class Look:
    """A picture and what is measured on it; every measure is taken once, when first asked for."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where = data, where
        self.facts: Facts = read_facts(data, where)
        self.origin = (0, 0)
        """Top and left, in the file's picture, of the first pixel that is looked at."""

    def cropped(self, left: int, top: int, right: int, bottom: int) -> Look:
        """The same file, a window of its picture alone being looked at."""
        part = object.__new__(Look)
        part.data, part.where, part.origin = self.data, self.where, (self.origin[0] + top, self.origin[1] + left)
        part.facts = replace(self.facts, width_px=right - left, height_px=bottom - top)
        window, alpha = (slice(top, bottom), slice(left, right)), self.layers.alpha
        rgb = np.ascontiguousarray(self.layers.rgb[window])
        part.__dict__["layers"] = Layers(rgb, None if alpha is None else alpha[window], self.layers.notes)
        return part

    @classmethod
    def again(cls, data: bytes, where: str) -> Look:
        """A file that may show what was seen a moment ago: it is decoded, and equal pixels are not measured again.

        Raises:
            InputError: the picture cannot be read, or its pixels are damaged.
        """
        look = cls(data, where)
        layers = look.layers
        earlier = _SEEN.swap(digest(layers.rgb, layers.alpha), look)
        if earlier is not None:
            look.__dict__.update({name: earlier.__dict__[name] for name in _OF_PIXELS if name in earlier.__dict__})
        return look

    @property
    def pixels(self) -> int:
        """Of the frame."""
        return self.facts.width_px * self.facts.height_px

    @cached_property
    def layers(self) -> Layers:
        """The pixels as a viewer shows them, with their transparency."""
        return open_layers(self.data, where=self.where)

    @cached_property
    def source(self) -> Source:
        """What a certificate says of the file, were it edited."""
        return Source.read(self.data, self.layers, Path(self.where))

    @cached_property
    def rgb(self) -> Bytes:
        """(H, W, 3), transparency shown on white."""
        layers = self.layers
        return layers.rgb if layers.alpha is None else flattened(np.dstack([layers.rgb, layers.alpha]))

    @cached_property
    def working(self) -> Bytes:
        """(h, w, 3) at the working size."""
        height, width = self.rgb.shape[:2]
        scale = min(1.0, WORKING_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return self.rgb if scale == 1 else np.asarray(cv2.resize(self.rgb, size, interpolation=cv2.INTER_AREA))

    @cached_property
    def on_white(self) -> bool:
        """Whether the frame's border is white, near enough for the product to be seen by that alone."""
        if self._exact:
            return True
        lab = oklab_from_srgb(self._border[:: max(1, len(self._border) // 4000)])
        middle = np.median(lab, axis=0)
        rough = float(np.median(np.linalg.norm(lab - middle, axis=1)))
        return bool(middle[0] >= LIGHT and np.abs(middle[1:]).max() <= TINT and rough <= ROUGH)

    @cached_property
    def product(self) -> Product | None:
        """Where the product is; None where none is found."""
        alpha = self.layers.alpha
        if alpha is not None:
            size = (self.working.shape[1], self.working.shape[0])
            return product_in(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 127, self.working, "alpha")
        if self.on_white:
            found = product_in(self._ink(), self.working, "white")
            if found is not None and found.area > 0.01:
                return found
        return product_in(self.coverage > 127, self.working, "network")

    @cached_property
    def coverage(self) -> Bytes:
        """(h, w) what the cut-out network covers, at the working size; its outline is off by up to a few pixels."""
        coarse = network_coverage(self.working, network(), mirrored=False)
        size = (self.working.shape[1], self.working.shape[0])
        return np.asarray(cv2.resize(np.rint(coarse * 255).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR))

    @cached_property
    def cut(self) -> Scene:
        """The product cut out, by the file's own transparency where it has some.

        Raises:
            RequestError: no product is found.
        """
        top, left = self.origin
        return cutout(Scene(product=self.layers.rgb, alpha=self.layers.alpha, placement=(-top, -left)))

    @cached_property
    def white(self) -> White:
        """How white the background is."""
        height, width = self.rgb.shape[:2]
        background = np.full((height, width), 255, np.uint8)
        if self.product is not None:
            scale = self.working.shape[1] / width
            reach = 2 * int(np.ceil(MCU_PX * scale) + 1) + 1
            far = 255 - 255 * cv2.dilate(self.product.mask.astype(np.uint8), np.ones((reach, reach), np.uint8))
            background = np.asarray(cv2.resize(far, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
        if not cv2.hasNonZero(background):
            return White(0.0, 0.0, 255, (0, 0, 0))
        darkest = _darkest(self.rgb)
        exact = np.asarray(cv2.bitwise_and((darkest == 255).view(np.uint8), background), np.uint8)
        rims = [
            (int(np.count_nonzero(part)), int(np.count_nonzero(all_)))
            for part, all_ in zip(_rim(exact), _rim(background), strict=True)
        ]
        rim = sum(count for _, count in rims)
        mean = cv2.mean(self.rgb, mask=background)
        return White(
            border=sum(white for white, _ in rims) / rim if rim else 0.0,
            background=cv2.countNonZero(exact) / cv2.countNonZero(background),
            worst=255 - int(cv2.minMaxLoc(darkest, mask=background)[0]),
            mean=(round(mean[0]), round(mean[1]), round(mean[2])),
        )

    @cached_property
    def shadow(self) -> float | None:
        """Share of the frame that a shadow on white takes; None where the background is not white."""
        if not self.on_white:
            return None
        reach = 2 * round(_NEAR * max(self.coverage.shape)) + 1
        near = cv2.dilate(self.coverage, np.ones((reach, reach), np.uint8)) > 25
        low = _darkest(self.working)
        high = cv2.max(cv2.max(self.working[..., 0], self.working[..., 1]), self.working[..., 2])
        grey = (low < 247) & (low > 60) & (cv2.subtract(high, low) <= 14) & ~near
        opened = cv2.morphologyEx(grey.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        return float(opened.mean())

    @cached_property
    def blur(self) -> float | None:
        """Width of the product's edges: standard deviation in pixels at `sharpness.SIDE`; None where it has none.

        Where no product is found, which blur may be the reason of, the whole frame's.
        """
        height, width = self.rgb.shape[:2]
        left, top, right, bottom = (0.0, 0.0, 1.0, 1.0) if self.product is None else self.product.box
        part = self.rgb[int(top * height) : round(bottom * height), int(left * width) : round(right * width)]
        return edge_blur(part) if min(part.shape[:2]) >= 8 else None

    @cached_property
    def marks(self) -> list[Box]:
        """Boxes of small dark pieces well apart from the product in the corners of a white picture, as logos are."""
        if self.product is None or self.product.how != "white":
            return []
        height, width = self.working.shape[:2]
        reach = 2 * round(_NEAR * max(height, width)) + 1
        near = cv2.dilate(self.product.mask.view(np.uint8), np.ones((reach, reach), np.uint8))
        found = []
        for box in self.product.crumbs:
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            window = (slice(round(box[1] * height), round(box[3] * height)),
                      slice(round(box[0] * width), round(box[2] * width)))  # fmt: skip
            if min(x, 1 - x) < CORNER and min(y, 1 - y) < CORNER and not near[window].any():
                dark = _darkest(self.working[window]) < DARK
                found += [box] if dark.sum() >= MARK * height * width else []
        return found

    @cached_property
    def text(self) -> list[Line]:
        """Rows of lettering."""
        return self._lines[0]

    @cached_property
    def faint_text(self) -> list[Line]:
        """Rows of faint lettering beside the product, as watermarks are."""
        return [line for line in self._lines[1] if line.on_product < 0.5]

    @cached_property
    def strips(self) -> dict[str, float]:
        """Sides along which an even strip ends in a straight line from edge to edge, and its share of the frame."""
        turned = {"top": self.working, "left": self.working.transpose(1, 0, 2)}
        turned |= {"bottom": self.working[::-1], "right": turned["left"][::-1]}
        found = {side: _strip(view) for side, view in turned.items()}
        return {side: share for side, share in found.items() if share}

    @cached_property
    def _lines(self) -> tuple[list[Line], list[Line]]:
        none = np.zeros(self.working.shape[:2], bool)
        return find_lines(self.rgb, none if self.product is None else self.product.body)

    @cached_property
    def _border(self) -> Bytes:
        """(N, 3) the working picture's outermost pixels."""
        return np.concatenate([part.reshape(-1, 3) for part in _rim(self.working)])

    @cached_property
    def _exact(self) -> bool:
        return float((self._border.min(axis=-1) >= INK).mean()) >= EXACT

    def _ink(self) -> Mask:
        """What is not background, where that is white."""
        if self._exact:
            return np.asarray(_darkest(self.working) < INK)
        background = np.median(self._border, axis=0)
        apart = cv2.absdiff(self.working, np.broadcast_to(background, self.working.shape).astype(np.uint8))
        brightest = cv2.max(cv2.max(apart[..., 0], apart[..., 1]), apart[..., 2])
        return cv2.morphologyEx((brightest > APART).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0


def _darkest(rgb: Bytes) -> Bytes:
    """(H, W) the least of the three channels."""
    return np.asarray(cv2.min(cv2.min(rgb[..., 0], rgb[..., 1]), rgb[..., 2]), np.uint8)


def _rim(picture: Bytes) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """The outermost pixels of a picture (H, W, …), in four strips without an overlap."""
    reach = max(2, round(_BORDER * min(picture.shape[:2])))
    inner = picture[reach:-reach]
    return picture[:reach], picture[-reach:], inner[:, :reach], inner[:, -reach:]


def _strip(rgb: Bytes) -> float:
    """Share of the picture's height that an even strip takes at its top, up to `STRIP`; 0 without one.

    Its ends are left out: there a frame's other sides begin.
    """
    height, width = rgb.shape[:2]
    ends = round(STRIP * width)
    strip = np.ascontiguousarray(rgb[: max(3, round(STRIP * height)) + 1, ends : width - ends]).astype(np.int16)
    stepped = (np.abs(np.diff(strip, axis=0)).max(axis=-1) > STEP).mean(axis=1)  # share of the columns, for each row
    rows = np.flatnonzero(stepped > 0.3)  # from there on the strip is no longer even
    if not len(rows):
        return 0.0
    first = int(rows[0])
    if stepped[first : first + 2].max() <= STRAIGHT:  # an edge between two rows of pixels shows in both
        return 0.0
    above = strip[: first + 1].reshape(-1, 3)
    even = np.abs(above - np.median(above, axis=0)).mean() < 6
    return float(first + 1) / height if even else 0.0


_OF_PIXELS = tuple(
    name
    for name, value in vars(Look).items()
    if isinstance(value, cached_property) and name not in ("layers", "source")
)
"""Measures that depend on the pixels alone."""
_SEEN: Recent[Look] = Recent(most=12_000_000, weight=lambda look: look.pixels)
