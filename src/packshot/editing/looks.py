"""The look of a product's main material in another photo: how light falls on it there, so that a dye may follow."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from packshot.colour import oklab_from_srgb
from packshot.editing.clusters import calm_pixels, materials_of, nearest_index, space
from packshot.editing.dye import Look
from packshot.framing import find_product
from packshot.images import open_picture, reduced

_PHOTO_PX = 400
_FEWEST = 500
"""Pixels of the main material from which on a look is known."""


def photo_look(path: Path, where: str) -> Look | None:
    """The look of the main material of the product in a photo on a plain background; None where none stands out.

    Args:
        path: of the photo.
        where: the parameter, for errors.

    Raises:
        InputError: the photo cannot be read.
    """
    rgb = reduced(open_picture(path, where=where), _PHOTO_PX)
    finding = find_product(rgb)
    if finding is None:
        return None
    inside = cv2.erode(finding.mask.view(np.uint8), np.ones((5, 5), np.uint8)) > 0  # an outline mixes two things
    if inside.sum() < _FEWEST:
        return None
    lab = oklab_from_srgb(rgb)
    pixels = lab[inside]
    materials = materials_of(pixels, calm_pixels(lab, inside)[inside])
    owner = np.concatenate([np.full(len(material.centres), n) for n, material in enumerate(materials)])
    nearest = nearest_index(space(pixels), np.concatenate([material.centres for material in materials]))
    chosen = pixels[owner[nearest] == 0]
    return Look.of(chosen) if len(chosen) >= _FEWEST else None
