"""Products drawn from words for a listing: which seed they have, and how those for scenes are cut out."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from packshot.generation.backends import open_backend
from packshot.generation.backgrounds import fading_px
from packshot.generation.interface import Backend, GenerationRequest
from packshot.images import encode_picture
from packshot.listing.measures import Look
from packshot.listing.plan import PlannedPicture
from packshot.matte import cut_out

LARGEST_PX = 1024
_WHITE = 252


@cache
def backend_of(name: str, pack: str) -> Backend:
    """A back-end, opened once in a process."""
    return open_backend(name, pack)


def packs_of(backend: str, pack: str) -> dict[str, str]:
    """Packs by name, with their sha256, that a back-end draws with."""
    found = getattr(backend_of(backend, pack), "pack", None)
    return {} if found is None else {str(found.name): str(found.sha256)}


def request_for(picture: PlannedPicture, least_px: int) -> GenerationRequest:
    """What to draw, at a side of at most `LARGEST_PX`.

    It is the same product on every channel, since its seed comes from the SKU, the words and how often it was made
    anew.
    """
    again = f"\0{picture.take}" if picture.take else ""
    digest = hashlib.sha256(f"{picture.sku}\0{picture.request}{again}".encode()).digest()
    return GenerationRequest(picture.request, count=1, seed=int.from_bytes(digest[:6]), size=min(LARGEST_PX, least_px))


def drawn(picture: PlannedPicture, request: GenerationRequest, backend: str, pack: str) -> Look:
    """The product of a picture out of words: on white, for scenes on transparency."""
    (result,) = backend_of(backend, pack).generate([request])
    file, where = Path("drawn.png"), f"{picture.sku}, drawn"
    look = Look(encode_picture(result.pixels, file, recipe=result.recipe), where)
    if picture.role != "scene":
        return look
    return Look(encode_picture(cut_drawing(look), file, recipe=result.recipe), where)


def cut_drawing(look: Look) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A drawing on white cut out, (H, W, 4) with straight alpha.

    Outlines are solved as wide as drawings fade; enclosed white that the network calls background is a hole.
    """
    height, width = look.rgb.shape[:2]
    covered = cv2.resize(look.coverage, (width, height), interpolation=cv2.INTER_LINEAR)
    holes = (look.rgb.min(axis=-1) >= _WHITE) & (covered < 128)
    return cut_out(look.rgb, reach=fading_px(max(height, width)), holes=holes)
