"""Masks as OpenAI's clients send them (transparent where something is to change), as our edits take them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from packshot.errors import RequestError
from packshot.images import open_layers
from packshot.provenance.carrying import said_by, with_labels
from packshot.provenance.origin import TERMS
from packshot.provenance.xmp import SOURCE_TYPE
from packshot.server.assets import Asset, NewAsset

HALF = 128


def hole_of(mask: Path, size: tuple[int, int]) -> NewAsset:
    """A grey picture, white where the mask is transparent.

    Args:
        mask: file.
        size: (width, height) of the photo.

    Raises:
        RequestError: another size, or transparent nowhere.
    """
    alpha = _alpha(mask, size)
    picture = Image.fromarray(np.where(alpha < HALF, np.uint8(255), np.uint8(0)))
    return NewAsset("upload", "mask.png", "image/png", _png(picture), size)


def cut_by(mask: Path, photo: Path, asset: Asset) -> NewAsset:
    """The photo cut out as the mask says, with what the photo says of its own making.

    Raises:
        RequestError: another size, or a mask that is transparent nowhere.
        InputError: a picture that is damaged.
    """
    data = photo.read_bytes()
    layers = open_layers(data, where=asset.name)
    height, width = layers.rgb.shape[:2]
    alpha = _alpha(mask, (width, height))
    said = said_by(data, layers.rgb, asset.name)
    values = dict(said.properties)
    if said.origin is not None:
        values.setdefault(SOURCE_TYPE, TERMS + said.origin.source_type)
    name = f"{Path(asset.name).stem[:60]}-cut.png"
    cut = with_labels(_png(Image.fromarray(np.dstack([layers.rgb, alpha]))), values, name)
    return NewAsset("upload", name, "image/png", cut, (width, height), asset.words, {"cut_of": asset.id}, asset.owner)


def _alpha(mask: Path, size: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    layers = open_layers(mask, where="mask")
    height, width = layers.rgb.shape[:2]
    if (width, height) != size:
        raise RequestError("mask", f"{width}×{height} pixels", f"the image's {size[0]}×{size[1]}")
    if layers.alpha is None or not (layers.alpha < HALF).any():
        raise RequestError("mask", "a mask that is transparent nowhere", "a PNG, transparent where to edit")
    return layers.alpha


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
