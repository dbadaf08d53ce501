"""Words on pictures, drawn with a font and never by a model, on the overlay above everything else."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
from PIL import ImageColor

from packshot.colour import linear_from_srgb
from packshot.editing.drafting import Colour, overlay_of, paint, polygon_mask, rounded_mask
from packshot.editing.scene import Bytes, Scene
from packshot.editing.typeset import Block, checked_words, font_file, set_block
from packshot.errors import RequestError

MAX_SIZE = 0.5
PLACES = {
    f"{row}-{column}".replace("centre-", "").replace("-centre", ""): (x, y)
    for row, y in (("top", 0.0), ("centre", 0.5), ("bottom", 1.0))
    for column, x in (("left", 0.0), ("centre", 0.5), ("right", 1.0))
}
"""Name -> where in the room that is left, across and down."""
SHAPES = ("round", "ribbon", "pill")

_POINT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%?\s*,\s*(\d+(?:\.\d+)?)\s*%?\s*")
_DARK, _LIGHT = (0x22, 0x22, 0x22), (0xFF, 0xFF, 0xFF)
_OUTLINE = 0.06  # over the size of the type
_PLATE = (0.55, 0.4)  # beyond the ink, across and down, over the size of the type
_ALIGN = ("auto", "left", "centre", "right")


def text(
    scene: Scene,
    words: str,
    *,
    at: str = "top-left",
    size: float = 0.06,
    colour: str = "#222222",
    font: str = "",
    width: float = 0.8,
    align: str = "auto",
    outline: str = "",
    plate: str = "",
    bold: bool = False,
    margin: float = 0.05,
) -> Scene:
    r"""Write words on the picture.

    Long lines are broken, between any two Chinese characters that may part; type that does not fit gets smaller.

    Args:
        scene: what is there.
        words: `\n` ends a line.
        at: "top-left", "top", "top-right", "left", "centre" and so on, or the middle of the words as "x,y" in per cent.
        size: of the type, over the picture's shorter side, 0.005 to `MAX_SIZE`.
        colour: "#rrggbb", "#rrggbbaa" or an English name.
        font: a font file; Noto Sans CJK where empty.
        width: that lines may take, over the picture's width, 0.05 to 1.
        align: "left", "centre" or "right"; "auto" as `at` says.
        outline: colour of a line around the letters; none where empty.
        plate: colour of a plate behind the words; none where empty.
        bold: whether to thicken the strokes.
        margin: kept free at the edges, over the shorter side, 0 to 0.4.

    Raises:
        RequestError: another value, characters that the font lacks, or words that do not fit.
        MissingExtraError: the font is not installed.
    """
    place, point = _place(at, "text.at"), _POINT.fullmatch(at) is not None
    if align not in _ALIGN:
        raise RequestError("text.align", f"'{align}'", ", ".join(_ALIGN))
    _check("text.width", width, 0.05, 1)
    ink, line, ground = (
        None if not value and name != "colour" else _colour(value, f"text.{name}")
        for name, value in (("colour", colour), ("outline", outline), ("plate", plate))
    )
    assert ink is not None
    room = _Room(scene, size, margin, "text")
    beyond = (_PLATE[0] * room.px, _PLATE[1] * room.px) if ground else (0.0, 0.0)
    free = (min(width * room.width, room.width - 2 * room.margin) - 2 * beyond[0], room.free[1] - 2 * beyond[1])
    side = {0.0: "left", 1.0: "right"}.get(0.5 if point else place[0], "centre") if align == "auto" else align
    block = _set(words, font, room.px, free, align=side, outline=_OUTLINE if line else 0.0, bold=bold, where="text")
    shown = block.ink if block.outline is None else block.outline
    beyond = (_PLATE[0] * block.size, _PLATE[1] * block.size) if ground else (0.0, 0.0)
    across, down = (math.ceil(value) for value in beyond)
    wide, high = shown.shape[1] + 2 * across, shown.shape[0] + 2 * down
    left, top = room.corner(place, (wide, high), point)
    overlay = overlay_of(scene)
    if ground:
        paint(overlay, rounded_mask((high, wide), 0.3 * block.size), ground, left, top)
    if line and block.outline is not None:
        paint(overlay, block.outline, line, left + across, top + down)
    paint(overlay, block.ink, ink, left + across, top + down)
    return replace(scene, overlay=overlay)


def badge(
    scene: Scene,
    words: str,
    *,
    at: str = "top-right",
    colour: str = "#d0021b",
    shape: str = "pill",
    size: float = 0.05,
    ink: str = "auto",
    font: str = "",
    margin: float = 0.04,
) -> Scene:
    r"""Put a badge with words on the picture.

    Args:
        scene: what is there.
        words: `\n` ends a line.
        at: as for `text`.
        colour: of the badge.
        shape: "pill", "round" (a disc) or "ribbon" (from the picture's edge, swallow-tailed).
        size: of the type, over the picture's shorter side, 0.005 to `MAX_SIZE`.
        ink: colour of the words; "auto" for white or nearly black, whichever is easier to read.
        font: a font file; Noto Sans CJK where empty.
        margin: kept free at the edges, over the shorter side, 0 to 0.4.

    Raises:
        RequestError: another value, characters that the font lacks, or words that do not fit.
        MissingExtraError: the font is not installed.
    """
    place, point = _place(at, "badge.at"), _POINT.fullmatch(at) is not None
    if shape not in SHAPES:
        raise RequestError("badge.shape", f"'{shape}'", ", ".join(SHAPES))
    ground = _colour(colour, "badge.colour")
    written = _readable_on(ground) if ink == "auto" else _colour(ink, "badge.ink")
    room = _Room(scene, size, margin, "badge")
    px = room.px
    while True:
        block = _set(words, font, px, room.free, align="centre", outline=0.0, bold=True, where="badge")
        mask, (across, down), edge = _shape(shape, block, place, point)
        if mask.shape[1] <= room.free[0] + edge * room.margin and mask.shape[0] <= room.free[1]:
            break
        px = min(px, block.size) * 0.94
    left, top = room.corner(place, (mask.shape[1], mask.shape[0]), point)
    if edge:
        left = 0 if place[0] == 0 else room.width - mask.shape[1]
    overlay = overlay_of(scene)
    paint(overlay, mask, ground, left, top)
    paint(overlay, block.ink, written, left + across, top + down)
    return replace(scene, overlay=overlay)


class _Room:
    """The picture as a place for lettering: its margins and the size of the type in pixels."""

    def __init__(self, scene: Scene, size: float, margin: float, operation: str) -> None:
        _check(f"{operation}.size", size, 0.005, MAX_SIZE)
        _check(f"{operation}.margin", margin, 0, 0.4)
        self.height, self.width = scene.size
        short = min(self.height, self.width)
        self.px, self.margin = size * short, margin * short
        self.free = (self.width - 2 * self.margin, self.height - 2 * self.margin)

    def corner(self, place: tuple[float, float], size: tuple[int, int], point: bool) -> tuple[int, int]:
        """Left and top of something (width, height) at a place, never over the margins."""
        found = []
        for k, length in enumerate((self.width, self.height)):
            free = length - 2 * self.margin - size[k]
            start = place[k] * length - size[k] / 2 if point else self.margin + place[k] * free
            low = min(self.margin, (length - size[k]) / 2)
            found.append(round(min(max(start, low), length - size[k] - low)))
        return min(max(found[0], 0), self.width - size[0]), min(max(found[1], 0), self.height - size[1])


def _place(at: str, where: str) -> tuple[float, float]:
    point = _POINT.fullmatch(at)
    if point and float(point[1]) <= 100 and float(point[2]) <= 100:
        return float(point[1]) / 100, float(point[2]) / 100
    name = at.strip().lower().replace("center", "centre")
    if name not in PLACES:
        raise RequestError(where, f"'{at}'", f"{', '.join(PLACES)}, or x,y in per cent")
    return PLACES[name]


def _check(where: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RequestError(where, f"{value:g}", f"{low:g} to {high:g}")


def _colour(value: str, where: str) -> Colour:
    try:
        found = ImageColor.getrgb(value.strip())
    except ValueError:
        raise RequestError(where, f"'{value}'", "#rrggbb, #rrggbbaa or an English colour name") from None
    return found[0], found[1], found[2], found[3] if len(found) == 4 else 255


def _readable_on(ground: Colour) -> Colour:
    """White, or nearly black where that has the higher contrast (WCAG 2.2, contrast ratio)."""
    weights = np.array([0.2126, 0.7152, 0.0722], np.float32)
    light, dark, behind = (
        float(linear_from_srgb(np.array(c, np.uint8)) @ weights) + 0.05 for c in (_LIGHT, _DARK, ground[:3])
    )
    # White looks cleaner on a colour than the ratio says, so it needs only two thirds of the dark ink's.
    return (*(_LIGHT if light / behind * 1.5 >= behind / dark else _DARK), 255)


def _set(
    words: str, font: str, px: float, free: tuple[float, float], *, align: str, outline: float, bold: bool, where: str
) -> Block:
    path = font_file(font, f"{where}.font")
    checked = checked_words(words, path, f"{where}.words")
    return set_block(checked, path, px, free, align=align, outline=outline, bold=bold, where=f"{where}.words")


def _shape(shape: str, block: Block, place: tuple[float, float], point: bool) -> tuple[Bytes, tuple[int, int], bool]:
    """The badge's mask, left and top of the words in it, and whether it grows out of the picture's edge."""
    high, wide = block.ink.shape
    if shape == "round":
        side = math.ceil(math.hypot(wide, high) + 0.9 * block.size)
        return rounded_mask((side, side), side / 2), ((side - wide) // 2, (side - high) // 2), False
    down = round(0.55 * block.size)
    tall = high + 2 * down
    if shape == "pill":
        across = round(max(0.8 * block.size, 0.42 * tall))
        return rounded_mask((tall, wide + 2 * across), min(tall, 2.2 * block.size) / 2), (across, down), False
    return _ribbon(wide, tall, block.size, down, None if point or place[0] == 0.5 else place[0] == 0)


def _ribbon(wide: int, tall: int, px: float, down: int, left: bool | None) -> tuple[Bytes, tuple[int, int], bool]:
    near, tail = round(0.9 * px), round(0.45 * tall)
    first = near if left else near + tail  # where the words begin
    width = wide + 2 * near + (tail if left is not None else 2 * tail)
    points: list[tuple[float, float]] = [(0, 0), (width, 0)]
    if left is not False:
        points.append((width - tail, tall / 2))
    points += [(width, tall), (0, tall)]
    if left is not True:
        points.append((tail, tall / 2))
    return polygon_mask(points, (tall, width)), (first, down), left is not None
