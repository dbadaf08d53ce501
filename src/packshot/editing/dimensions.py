"""A product with its real measures: lines with end ticks and numbers, and a familiar thing beside it at the same scale.

All of it is drawn by formula on the overlay; the product's pixels are moved, or resampled once as `fit` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from packshot.editing.drafting import Board, Box, Colour, overlay_of
from packshot.editing.frame import canvas_size, fit
from packshot.editing.lengths import UNITS, Sides, read_measures, sides, spoken
from packshot.editing.references import Reference, draw_reference, reference_for
from packshot.editing.scene import Scene
from packshot.editing.typeset import LEAST_PX, Block, checked_words, font_file, set_block
from packshot.editing.warp import product_box, window
from packshot.errors import RequestError

LANGUAGES = ("en", "zh")
DEPTH = {"en": "Depth {}", "zh": "厚 {}"}

INK: Colour = (0x26, 0x2A, 0x31, 255)
SOFT: Colour = (0x5F, 0x66, 0x70, 255)
LINE: Colour = (0x45, 0x4B, 0x55, 255)

_TYPE = 0.046  # of numbers, over the canvas's shorter side: read on a phone, where it is some 390 points wide
_SMALL = 0.74  # other type over that of numbers
_MARGIN = 0.06  # the rest over the canvas's shorter side, too
_STROKE = 0.0026
_TICK = 0.026
_AIR = 0.022
_APART = 0.075
_FEWEST_PX = 24  # of the product's shorter side
_LARGEST_PX = 20_000


@dataclass(frozen=True, slots=True)
class _Label:
    """Lines of type, the first in ink and bold, the others smaller.

    Attributes:
        blocks: one for each line.
        gaps: pixels between the tops of lines.
        size: (width, height) of all.
    """

    blocks: tuple[Block, ...]
    tops: tuple[int, ...]
    size: tuple[int, int]

    @classmethod
    def of(cls, lines: list[str], font: Path, px: float, *, first_bold: bool) -> _Label:
        """Set the lines."""
        blocks, tops, y = [], [], 0.0
        for number, line in enumerate(lines):
            main = first_bold and number == 0
            size = px if main else px * _SMALL
            room = (float(_LARGEST_PX), 2 * size + 4)
            blocks.append(
                set_block(line, font, size, room, align="left", outline=0.0, bold=main, where="dimensions.size")
            )
            tops.append(round(y))
            y += blocks[-1].ink.shape[0] + 0.42 * size
        bottom = tops[-1] + blocks[-1].ink.shape[0]
        return cls(tuple(blocks), tuple(tops), (max(block.ink.shape[1] for block in blocks), bottom))

    def put(self, board: Board, left: float, top: float, align: float) -> None:
        """Draw it; `align` 0 left, 0.5 centred, 1 right within its own width."""
        for number, (block, y) in enumerate(zip(self.blocks, self.tops, strict=True)):
            x = left + align * (self.size[0] - block.ink.shape[1])
            board.stamp(block.ink, INK if number == 0 else SOFT, x, top + y)


@dataclass(frozen=True, slots=True)
class _Labels:
    """Those of a picture, at one size of type."""

    height: _Label
    width: _Label
    reference: _Label | None


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the picture shall show, but for its size.

    Attributes:
        sides: as labelled.
        shown: (width, height) in centimetres of the product's box at the scale of the picture: as near to `sides` as
            the photo's ratio lets them be.
        reference: beside it; None for none.
        units: of the labels.
        language: of the words.
        font: file.
    """

    sides: Sides
    shown: tuple[float, float]
    reference: Reference | None
    units: tuple[str, ...]
    language: str
    font: Path

    def labels(self, short: int) -> _Labels:
        """Set the type for a canvas whose shorter side is given."""
        px = _TYPE * short
        if px * _SMALL < LEAST_PX:
            raise RequestError(
                "dimensions.canvas", f"{short} pixels", f"{math.ceil(LEAST_PX / _TYPE / _SMALL)} at least"
            )
        below = [spoken(self.sides.width, unit) for unit in self.units]
        if self.sides.depth is not None:
            depth = " / ".join(spoken(self.sides.depth, unit) for unit in self.units)
            below.append(DEPTH[self.language].format(depth))
        beside = [spoken(self.sides.height, unit) for unit in self.units]
        return _Labels(self._set(beside, px), self._set(below, px), self._caption(px))

    def _caption(self, px: float) -> _Label | None:
        ref = self.reference
        if ref is None:
            return None
        size = spoken(ref.height, self.units[0])
        if ref.shape != "person" and ref.width != ref.height:
            size = f"{spoken(ref.width, self.units[0]).split()[0]} × {size}"
        return self._set([ref.titles[self.language], size], px, first_bold=False)

    def _set(self, lines: list[str], px: float, *, first_bold: bool = True) -> _Label:
        checked = [checked_words(line, self.font, "dimensions.font") for line in lines]
        return _Label.of(checked, self.font, px, first_bold=first_bold)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where everything lies on a canvas, in pixels.

    Attributes:
        scale: pixels a centimetre.
        product: its box.
        reference: its box; None without one.
        labels: set for this canvas.
        short: the canvas's shorter side.
    """

    scale: float
    product: Box
    reference: Box | None
    labels: _Labels
    short: int


def dimensions(
    scene: Scene,
    size: str,
    *,
    canvas: str = "auto",
    units: str = "cm",
    beside: str = "auto",
    language: str = "en",
    font: str = "",
) -> Scene:
    """Show how large the product is: measures at lines with end ticks, and a familiar thing beside it at its scale.

    Which number is the width and which the height is told by the ratio of the product's box; numbers that fit in no
    way, or in two, are refused. A third one is written as the depth. A photo at an angle shows no side in its true
    ratio: do not measure it.

    Args:
        scene: cut out.
        size: the product's, `30x20cm`, `30x20x10cm`, `12x8in`.
        canvas: "1000" or "1000x1333" as width and height, where the product is resampled once as `fit` does; "auto" for
            as large a square as it takes with the product's pixels copied.
        units: of the labels: `cm`, `in`, or both with a comma between.
        beside: the thing: `quarter`, `yuan`, `card`, `phone`, `a4`, `person`; `none`; `auto` for one that suits.
        language: of the words: `en` or `zh`.
        font: a font file; Noto Sans CJK where empty.

    Raises:
        RequestError: a value that is not accepted, measures that do not fit the photo, or no room.
        MissingExtraError: the font is not installed.
    """
    wish = _wish(scene, size, units, beside, language, font)
    left, top, right, bottom = product_box(scene, "dimensions")
    own = (right - left) / wish.shown[0]  # pixels a centimetre
    if canvas.strip().lower() == "auto":
        side = _own_canvas(wish, own)
        layout = _layout(wish, (side, side), own)
        return _drawn(scene, wish, layout, (side, side))
    width, height = canvas_size(canvas, "dimensions.canvas")
    layout = _layout(wish, (width, height))
    factor = layout.scale / own
    share = max((right - left) * factor / width, (bottom - top) * factor / height)
    if min(right - left, bottom - top) * factor < _FEWEST_PX or share < 0.05:
        raise RequestError("dimensions.beside", f"a product too small beside it on {width}×{height}", "a smaller thing")
    return _drawn(fit(scene, f"{width}x{height}", share=share, upscale=True), wish, layout, (width, height))


def scale_of(scene: Scene, size: str, canvas: tuple[int, int], **others: str) -> float:
    """By which `dimensions` would scale the product on a canvas of (width, height); raises what that raises."""
    wish = _wish(scene, size, **{"units": "cm", "beside": "auto", "language": "en", "font": "", **others})
    left, _, right, _ = product_box(scene, "dimensions")
    return _layout(wish, canvas).scale * wish.shown[0] / (right - left)


def _wish(scene: Scene, size: str, units: str, beside: str, language: str, font: str) -> _Wish:
    left, top, right, bottom = product_box(scene, "dimensions")
    ratio = (right - left) / (bottom - top)
    wanted = tuple(unit.strip().lower() for unit in units.split(","))
    if not wanted or not all(unit in UNITS for unit in wanted) or len(set(wanted)) < len(wanted):
        raise RequestError("dimensions.units", f"'{units}'", " or ".join((*UNITS, ",".join(UNITS))))
    if language not in LANGUAGES:
        raise RequestError("dimensions.language", f"'{language}'", " or ".join(LANGUAGES))
    found = sides(read_measures(size, "dimensions.size"), ratio, "dimensions.size")
    area = found.width * found.height
    shown = (math.sqrt(area * ratio), math.sqrt(area / ratio))
    reference = reference_for(beside, *shown, language, "dimensions.beside")
    return _Wish(found, shown, reference, wanted, language, font_file(font, "dimensions.font"))


def _own_canvas(wish: _Wish, scale: float) -> int:
    """The side of the smallest square with room for the product at this scale, pixels a centimetre."""
    low = math.ceil(LEAST_PX / _TYPE / _SMALL)
    high = max(2 * low, math.ceil(4 * scale * max(*wish.shown, 1.0)))
    while _layout(wish, (high, high)).scale < scale:
        low, high = high, 2 * high
        if high > _LARGEST_PX:
            raise RequestError(
                "dimensions.canvas", "auto", "a canvas in pixels: at its own scale this would be too large"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _layout(wish, (middle, middle)).scale >= scale else (middle, high)
    return high


def _layout(wish: _Wish, canvas: tuple[int, int], scale: float | None = None) -> _Layout:
    """The largest arrangement that the canvas has room for, or that of a scale, in its middle."""
    short = min(canvas)
    labels = wish.labels(short)
    beside = labels.height.size[0] + (2 * _AIR + _TICK) * short
    below = (2 * _AIR + _TICK) * short + max(
        labels.width.size[1], 0 if labels.reference is None else labels.reference.size[1]
    )
    room = (canvas[0] - 2 * _MARGIN * short - beside, canvas[1] - 2 * _MARGIN * short - below)
    if scale is None:
        scale = _largest(wish, labels, room, short)
    first, second = _columns(wish, labels, scale)
    wide = beside + first + (second + _APART * short if wish.reference else 0.0)
    tall = scale * max(wish.shown[1], wish.reference.height if wish.reference else 0.0)
    left = (canvas[0] - wide) / 2 + beside
    base = (canvas[1] - tall - below) / 2 + tall
    middle = left + first / 2
    width, height = (scale * length for length in wish.shown)
    product = (middle - width / 2, base - height, middle + width / 2, base)
    if wish.reference is None:
        return _Layout(scale, product, None, labels, short)
    middle = left + first + _APART * short + second / 2
    width, height = scale * wish.reference.width, scale * wish.reference.height
    return _Layout(scale, product, (middle - width / 2, base - height, middle + width / 2, base), labels, short)


def _columns(wish: _Wish, labels: _Labels, scale: float) -> tuple[float, float]:
    """Widths of the product's and the reference's column: what stands there, or its label where that is wider."""
    first = max(scale * wish.shown[0], labels.width.size[0])
    if wish.reference is None or labels.reference is None:
        return first, 0.0
    return first, max(scale * wish.reference.width, labels.reference.size[0])


def _largest(wish: _Wish, labels: _Labels, room: tuple[float, float], short: int) -> float:
    """Pixels a centimetre at which the columns just fit into the room; 0 where their labels alone do not."""
    reference = wish.reference
    apart = 0.0 if reference is None else _APART * short
    high = room[1] / max(wish.shown[1], reference.height if reference else 0.0)
    low = 0.0
    if sum(_columns(wish, labels, high)) + apart <= room[0]:
        return high
    for _ in range(40):
        middle = (low + high) / 2
        fits = sum(_columns(wish, labels, middle)) + apart <= room[0]
        low, high = (middle, high) if fits else (low, middle)
    return low


def _drawn(scene: Scene, wish: _Wish, layout: _Layout, canvas: tuple[int, int]) -> Scene:
    """Move the product to its place, and draw what belongs to it."""
    left, _, right, bottom = product_box(scene, "dimensions")
    across = round((left + right) / 2 - (layout.product[0] + layout.product[2]) / 2)
    down = bottom - round(layout.product[3])
    placed = window(scene, across, down, (canvas[1], canvas[0]))
    overlay = overlay_of(placed)
    board = Board(overlay)
    box = product_box(placed, "dimensions")
    _lines(board, box, layout)
    if wish.reference is not None and layout.reference is not None and layout.labels.reference is not None:
        x0, _, x1, _ = layout.reference
        base = float(box[3])
        stroke = max(1.0, _STROKE * layout.short)
        tall = layout.scale * wish.reference.height
        draw_reference(board, wish.reference, (x0, base - tall, x1, base), stroke)
        caption = layout.labels.reference
        top = base + (2 * _AIR + _TICK) * layout.short
        caption.put(board, (x0 + x1 - caption.size[0]) / 2, top, 0.5)
    return replace(placed, overlay=overlay)


def _lines(board: Board, box: tuple[int, int, int, int], layout: _Layout) -> None:
    """The line below and the line on the left of the product's box, each with its ticks and label."""
    left, top, right, bottom = box
    short = layout.short
    thick, tick, air = max(1, round(_STROKE * short)), round(_TICK * short), round(_AIR * short)
    y = bottom + air + tick // 2
    board.rectangle((left, y, right, y + thick), LINE)
    for x in (left, right - thick):
        board.rectangle((x, y + thick / 2 - tick / 2, x + thick, y + thick / 2 + tick / 2), LINE)
    label = layout.labels.width
    label.put(board, (left + right - label.size[0]) / 2, bottom + 2 * air + tick, 0.5)
    x = left - air - tick // 2
    board.rectangle((x - thick, top, x, bottom), LINE)
    for y in (top, bottom - thick):
        board.rectangle((x - thick / 2 - tick / 2, y, x - thick / 2 + tick / 2, y + thick), LINE)
    label = layout.labels.height
    label.put(board, left - 2 * air - tick - label.size[0], (top + bottom - label.size[1]) / 2, 1.0)
