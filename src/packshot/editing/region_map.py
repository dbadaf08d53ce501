"""The map of regions as a certificate holds it: counted, and as text."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from packshot.editing.measures import EXEMPT, GLASS, KEPT, OUTSIDE, is_outline
from packshot.editing.scene import Bytes
from packshot.images import MAX_PIXELS


def counts(codes: Bytes) -> dict[str, Any]:
    """Pixels of each region, and of what is not outside how much is which, in shares of 1."""
    masks = {
        "outside": codes == OUTSIDE,
        "outline": is_outline(codes),
        "glass": codes == GLASS,
        "exempt": codes == EXEMPT,
        "kept": codes == KEPT,
    }
    pixels = {name: int(mask.sum()) for name, mask in masks.items()}
    product = max(codes.size - pixels["outside"], 1)
    shares = {name: round(count / product, 4) for name, count in pixels.items() if name != "outside"}
    return {**pixels, "shares": shares}


def packed(codes: Bytes) -> str:
    """A grey PNG as base64: inside the document, so that it cannot be lost or swapped."""
    buffer = io.BytesIO()
    Image.fromarray(codes).save(buffer, "PNG", compress_level=6)
    return base64.b64encode(buffer.getvalue()).decode()


def unpacked(text: str) -> Bytes:
    """(H, W) of what `packed` wrote.

    Raises:
        ValueError, OSError: it is something else.
    """
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as image:
        if image.width * image.height > MAX_PIXELS or image.mode != "L":
            raise ValueError("no map of regions")
        return np.array(image)
