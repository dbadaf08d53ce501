"""A product's real measures: read, given to the sides that a photo shows, and said in units. Knows no pixels."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from packshot.errors import RequestError

UNITS = {"cm": 1.0, "in": 2.54}
"""Units that labels are written in, in centimetres."""
TOLERANCE = 0.07
"""By which the ratio of two measures may differ from the photo's (of its natural logarithm): numbers are rounded, and
lenses make what is near larger."""
CLEARLY = 0.025
"""By which one pair of measures has to fit better than another one to be the one that is meant."""
ALIKE = 0.04
"""Pairs whose numbers differ by less than this share say the same."""

_READ = {"mm": 0.1, "cm": 1.0, "m": 100.0, "in": 2.54, '"': 2.54, "": 1.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)(?:x(\d+(?:\.\d+)?))?(mm|cm|m|in|\"|)")
_LONGEST_CM = 2_000.0


@dataclass(frozen=True, slots=True)
class Sides:
    """Which measure is which, as the photo shows the product.

    Attributes:
        width: centimetres.
        height: centimetres.
        depth: away from the viewer, where a third number is known.
    """

    width: float
    height: float
    depth: float | None = None


def read_measures(text: str, where: str) -> tuple[float, ...]:
    """Two or three lengths in centimetres out of `30x20`, `30 x 20 x 10 cm` or `12x8in`.

    Raises:
        RequestError: another form, or a length that is no product's.
    """
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().replace("×", "x").replace("*", "x").split())
    match = _SIZE.fullmatch(plain)
    lengths = tuple(round(float(n) * _READ[match[4]], 2) for n in match.groups()[:3] if n) if match else ()
    if not lengths or not all(0 < length <= _LONGEST_CM for length in lengths):
        accepted = f"two or three lengths up to {_LONGEST_CM / 100:g} m, such as 30x20cm, 30x20x10cm or 12x8in"
        raise RequestError(where, f"'{text}'", accepted)
    return lengths


def sides(lengths: Sequence[float], ratio: float, where: str) -> Sides:
    """The pair of measures that the photo shows, by the ratio of the product's box.

    Numbers that fit in two ways are refused, unless both say the same: no picture is better than a wrong measure.

    Args:
        lengths: two or three, centimetres, in any order.
        ratio: of the box, width over height.
        where: for errors.

    Raises:
        RequestError: no pair fits, or two do.
    """
    pairs = itertools.permutations(range(len(lengths)), 2)
    found = sorted((abs(math.log(lengths[a] / lengths[b] / ratio)), a, b) for a, b in pairs)
    error, a, b = found[0]
    said = " × ".join(f"{length:g}" for length in lengths) + " cm"
    if error > TOLERANCE:
        accepted = f"measures of which two have that ratio, to within {TOLERANCE:.0%}"
        raise RequestError(
            where, f"{said}, while the photo shows the product {ratio:.2f} times as wide as high", accepted
        )
    best = (lengths[a], lengths[b])
    for other, c, d in found[1:]:
        rival = (lengths[c], lengths[d])
        if other <= TOLERANCE and other < error + CLEARLY and not _same(best, rival):
            got = f"{said}, of which both {_pair(best)} and {_pair(rival)} fit the photo"
            raise RequestError(where, got, "the two measures that the photo shows, alone")
    left = [length for k, length in enumerate(lengths) if k not in (a, b)]
    return Sides(*best, left[0] if left else None)


def spoken(length_cm: float, unit: str) -> str:
    """A length in words: one decimal at the most, two below one unit."""
    value = length_cm / UNITS[unit]
    return f"{round(value, 1 if value >= 1 else 2):g} {unit}"


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(math.log(x / y)) < ALIKE for x, y in zip(one, other, strict=True))


def _pair(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g} × {pair[1]:g}"
