"""Reading a place in a picture that a user gives, as a click."""

from __future__ import annotations

import re

from packshot.editing.scene import SOLID, Scene
from packshot.errors import RequestError

_PLACE = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*,\s*([0-9]*\.?[0-9]+)\s*")


def read_place(said: str, scene: Scene, where: str) -> tuple[int, int] | None:
    """(row, column) of "x,y"; None where the text is none.

    In pixels, or in fractions of the picture where both numbers have a decimal point and are at most 1.

    Raises:
        RequestError: it lies beside the picture or, after a cut-out, beside the solid product.
    """
    found = _PLACE.fullmatch(said)
    if found is None:
        return None
    height, width = scene.size
    x, y = float(found[1]), float(found[2])
    if "." in found[1] and "." in found[2] and x <= 1 and y <= 1:
        x, y = min(x * width, width - 1), min(y * height, height - 1)
    row, column = int(y), int(x)
    if row >= height or column >= width:
        raise RequestError(where, said, f"a place within {width}×{height}")
    if scene.alpha is not None and scene.alpha[row, column] < SOLID:
        raise RequestError(where, said, "a place on the product")
    return row, column
