"""Familiar things to draw beside a product at its scale: the table `references.toml`, and how each shape is drawn."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from packshot.editing.drafting import Board, Box, Colour, Point, inset, smooth
from packshot.errors import RequestError

SLENDER = 1.6
"""Longer side over the size that counts, of long and thin products."""
FILL: Colour = (0xEE, 0xF0, 0xF3, 255)
EDGE: Colour = (0x9C, 0xA3, 0xAE, 255)
DETAIL: Colour = (0xCB, 0xD0, 0xD8, 255)
FIGURE: Colour = (0xC4, 0xC9, 0xD2, 255)


@dataclass(frozen=True, slots=True)
class Reference:
    """A familiar thing.

    Attributes:
        name: as it is asked for.
        shape: key of `SHAPES`.
        width: centimetres, as it stands in the picture.
        height: likewise.
        up_to_cm: the size of the largest product that it is drawn beside; see `reference_for`.
        languages: of the people who know it.
        titles: by language.
    """

    name: str
    shape: str
    width: float
    height: float
    up_to_cm: float
    languages: tuple[str, ...]
    titles: dict[str, str]


@cache
def references() -> dict[str, Reference]:
    """All of them by name, the smallest first."""
    table = tomllib.loads(resources.files(__package__).joinpath("references.toml").read_text("utf-8"))
    return {
        row["name"]: Reference(
            row["name"],
            row["shape"],
            float(row["size"][0]),
            float(row["size"][1]),
            float(row["up_to_cm"]),
            tuple(row.get("languages", ("en", "zh"))),
            {language: row[language] for language in ("en", "zh")},
        )
        for row in table["reference"]
    }


def reference_for(name: str, width: float, height: float, language: str, where: str) -> Reference | None:
    """The thing of that name; for "auto" the one that suits a product of this size, in centimetres; None for "none".

    Size is the square root of width times height, or the longer side over `SLENDER` where that is more.

    Raises:
        RequestError: there is no such thing.
    """
    known = references()
    if name == "none":
        return None
    if name == "auto":
        size = max(math.sqrt(width * height), max(width, height) / SLENDER)
        fitting = (ref for ref in known.values() if language in ref.languages and size <= ref.up_to_cm)
        return next(fitting, list(known.values())[-1])
    if name not in known:
        raise RequestError(where, f"'{name}'", ", ".join(("auto", "none", *known)))
    return known[name]


def draw_reference(board: Board, reference: Reference, box: Box, stroke: float) -> None:
    """Draw it into a box of its own ratio, with lines of the given width."""
    SHAPES[reference.shape](board, box, stroke)


def _framed(board: Board, box: Box, stroke: float, radius: float, fill: Colour = FILL) -> None:
    board.rectangle(box, EDGE, radius)
    board.rectangle(inset(box, stroke), fill, max(0.0, radius - stroke))


def _coin(board: Board, box: Box, stroke: float) -> None:
    side = box[2] - box[0]
    for by, colour in ((0.0, EDGE), (stroke, FILL), (0.085 * side, DETAIL), (0.085 * side + stroke, FILL)):
        board.ellipse(inset(box, by), colour)
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    star = [
        (centre[0] + r * side * math.sin(k * math.pi / 5), centre[1] - r * side * math.cos(k * math.pi / 5))
        for k in range(10)
        for r in [0.22 if k % 2 == 0 else 0.088]
    ]
    board.polygon(star, DETAIL)


def _card(board: Board, box: Box, stroke: float) -> None:
    """Corners of 3.18 mm; chip where ISO/IEC 7816-2 has its contacts."""
    left, top, right, _ = box
    unit = (right - left) / 85.6  # a millimetre
    _framed(board, box, stroke, 3.18 * unit)
    chip = (left + 9.5 * unit, top + 18.5 * unit, left + 22 * unit, top + 28 * unit)
    board.rectangle(chip, EDGE, 1.6 * unit)
    board.rectangle(inset(chip, stroke), FILL, 1.6 * unit - stroke)
    middle = (chip[1] + chip[3]) / 2
    board.rectangle((chip[0], middle - stroke / 2, chip[2], middle + stroke / 2), EDGE)
    for x in (chip[0] + 4.2 * unit, chip[2] - 4.2 * unit - stroke):
        board.rectangle((x, chip[1], x + stroke, chip[3]), EDGE)
    for at, wide, tall in (((9.5, 36.0), 52.0, 3.4), ((9.5, 43.5), 30.0, 2.4)):
        x, y = left + at[0] * unit, top + at[1] * unit
        board.rectangle((x, y, x + wide * unit, y + tall * unit), DETAIL, tall * unit / 2)
    board.rectangle((left + 66 * unit, top + 38 * unit, left + 78 * unit, top + 46 * unit), DETAIL, 2 * unit)


def _phone(board: Board, box: Box, stroke: float) -> None:
    left, top, right, bottom = box
    wide = right - left
    _framed(board, box, stroke, 0.15 * wide)
    screen = inset(box, 0.045 * wide)
    board.rectangle(screen, DETAIL, 0.115 * wide)
    board.rectangle(inset(screen, stroke), (0xF8, 0xF9, 0xFA, 255), 0.115 * wide - stroke)
    middle, island = (left + right) / 2, (0.13 * wide, 0.035 * wide)
    y = top + 0.135 * wide
    board.rectangle((middle - island[0], y - island[1], middle + island[0], y + island[1]), EDGE, island[1])
    y = bottom - 0.095 * wide
    board.rectangle((middle - 0.17 * wide, y - stroke, middle + 0.17 * wide, y + stroke), DETAIL, stroke)


def _sheet(board: Board, box: Box, stroke: float) -> None:
    left, top, right, _ = box
    wide = right - left
    _framed(board, box, stroke, 0.0)
    thin = max(stroke, 0.011 * wide)
    board.rectangle(
        (left + 0.13 * wide, top + 0.15 * wide, left + 0.62 * wide, top + 0.15 * wide + 2.4 * thin), DETAIL, thin
    )
    for row in range(5):
        y = top + (0.30 + 0.085 * row) * wide
        end = 0.87 if row < 4 else 0.55
        board.rectangle((left + 0.13 * wide, y, left + end * wide, y + thin), DETAIL, thin / 2)


_HALF_FIGURE: tuple[Point, ...] = (
    (0.000, 0.100), (0.021, 0.104), (0.022, 0.146), (0.048, 0.164), (0.098, 0.180), (0.120, 0.205), (0.130, 0.255),
    (0.137, 0.320), (0.146, 0.385), (0.154, 0.445), (0.158, 0.480), (0.153, 0.512), (0.141, 0.515), (0.135, 0.490),
    (0.130, 0.450), (0.117, 0.385), (0.108, 0.320), (0.101, 0.262), (0.094, 0.255), (0.091, 0.310), (0.084, 0.370),
    (0.091, 0.425), (0.099, 0.485), (0.098, 0.560), (0.090, 0.640), (0.082, 0.710), (0.083, 0.770), (0.074, 0.850),
    (0.061, 0.930), (0.064, 0.962), (0.081, 0.984), (0.080, 0.999), (0.050, 1.000), (0.024, 0.998), (0.024, 0.962),
    (0.026, 0.930), (0.022, 0.850), (0.020, 0.770), (0.023, 0.710), (0.018, 0.640), (0.009, 0.560), (0.000, 0.512),
)  # fmt: skip
"""The right half of an upright person, arms down, from within the head to the crotch; x from the middle, y from the
top of the head, in heights."""


def _person(board: Board, box: Box, stroke: float) -> None:
    left, top, right, bottom = box
    middle, tall = (left + right) / 2, bottom - top
    right_half = [(middle + x * tall, top + y * tall) for x, y in _HALF_FIGURE]
    left_half = [(2 * middle - x, y) for x, y in right_half[-2:0:-1]]
    board.polygon(smooth([*right_half, *left_half]), FIGURE)
    board.ellipse((middle - 0.041 * tall, top, middle + 0.041 * tall, top + 0.126 * tall), FIGURE)


SHAPES: dict[str, Callable[[Board, Box, float], None]] = {
    "coin": _coin,
    "card": _card,
    "phone": _phone,
    "sheet": _sheet,
    "person": _person,
}
"""How each shape is drawn, by the names that the table uses."""
