"""Larger cut-out models of others, through rembg, where a user has installed it. The one file that knows rembg."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.errors import MissingExtraError, RequestError

PREFIX = "rembg:"
"""A pack named so is one of rembg's models, such as `rembg:isnet-general-use` or `rembg:birefnet-general`."""


def rembg_coverage(photo: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Coverage by the product as one of rembg's models gives it.

    Args:
        photo: (H, W, 3) sRGB.
        name: of the model, as rembg names it; rembg fetches it at its first use.

    Returns:
        (H, W), 255 whole.

    Raises:
        MissingExtraError: rembg is not installed.
        RequestError: it knows no such model, or cannot fetch it.
    """
    from PIL import Image

    try:
        (mask, *_) = _session(name).predict(Image.fromarray(photo))
    except (ValueError, OSError) as error:  # unknown names, and downloads that fail
        where, got = "cutout.pack", f"'{PREFIX}{name}' ({_line(error)})"
        raise RequestError(where, got, "a model that rembg knows and can fetch, or our own pack") from None
    return np.asarray(mask.convert("L").resize(photo.shape[1::-1], Image.Resampling.BILINEAR), np.uint8)


@cache
def _session(name: str) -> Any:
    try:
        from rembg import new_session
    except ImportError as error:
        raise MissingExtraError("cutout.pack", f"no module {error.name}", "pip install 'rembg[cpu]'") from None
    return new_session(name)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
