"""Small operations under the names of real ones, so that pipeline and command line are tested without them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from packshot.editing import operations
from packshot.editing.operations import Operation
from packshot.editing.scene import Scene
from packshot.errors import RequestError


def cutout(scene: Scene, pack: str = "cutout", *, glass: str = "no") -> Scene:
    """Everything that is not nearly white; its left half as glass if any is asked for."""
    dark = scene.product.min(axis=2) < 240
    alpha = np.where(dark, 255, 0).astype(np.uint8)
    if glass == "no":
        return replace(scene, alpha=alpha)
    clear = dark & (np.arange(scene.size[1]) < scene.size[1] // 2)
    tint = np.where(clear[..., None], 200, 255).astype(np.uint8).repeat(3, axis=2)
    return replace(scene, alpha=np.where(clear, 30, alpha).astype(np.uint8), tint=tint)


def background(scene: Scene, to: str, *, angle: float = 90.0, seed: int = 0, soft: bool = False) -> Scene:
    """A grey behind the product, `grey:128`."""
    if not to.startswith("grey:"):
        raise RequestError("background.to", f"'{to}'", "grey:0 to grey:255")
    return replace(scene, backdrop=np.full_like(scene.product, int(to.removeprefix("grey:"))))


def recolour(scene: Scene, to: str, *, part: str = "") -> Scene:
    """Invert the upper half of the product."""
    mask = np.zeros(scene.size, bool)
    mask[: scene.size[0] // 2] = True
    mask &= scene.coverage("recolour") > 0
    return replace(scene, product=np.where(mask[..., None], 255 - scene.product, scene.product)).with_touched(mask)


def colourways(scene: Scene, colours: list[str], *, part: str = "") -> Iterator[tuple[str, Scene]]:
    return ((colour, recolour(scene, colour)) for colour in colours)


def exposure(scene: Scene, stops: float) -> Scene:
    """Brighter or darker."""
    return replace(scene, product=np.clip(scene.product * 2.0**stops, 0, 255).astype(np.uint8))


def crop(scene: Scene, left: int = 0, *, top: int = 0) -> Scene:
    """Without the first columns and rows."""
    cut = {
        name: None if (layer := getattr(scene, name)) is None else layer[top:, left:]
        for name in ("product", "alpha", "backdrop", "shade", "overlay", "tint", "touched")
    }
    placement = None if scene.placement is None else (scene.placement[0] - top, scene.placement[1] - left)
    return replace(scene, placement=placement, **cut)


def text(scene: Scene, words: str, *, size: float = 20.0, colour: str = "#000000") -> Scene:
    """A bar over the last rows."""
    overlay = np.zeros((*scene.size, 4), np.uint8)
    overlay[-4:] = (200, 0, 0, 255)
    return replace(scene, overlay=overlay)


def turn(scene: Scene, degrees: float) -> Scene:
    """Nowhere, but no pixel is where it was."""
    return replace(scene, placement=None)


def badge(scene: Scene, words: str) -> Scene:
    """Break the promise: one pixel of the product is changed."""
    product = scene.product.copy()
    product[product.shape[0] // 2, product.shape[1] // 2] ^= 1
    return replace(scene, product=product)


ROWS = (
    Operation("cutout", "fakes", "product"),
    Operation("background", "fakes", "product", needs_cut=True),
    Operation("recolour", "fakes", "elsewhere", needs_cut=True),
    Operation("exposure", "fakes", "nothing"),
    Operation("turn", "fakes", "nothing"),
    Operation("crop", "fakes", "product"),
    Operation("text", "fakes", "product"),
    Operation("badge", "fakes", "product"),
)


@contextmanager
def installed() -> Iterator[None]:
    """These stand in the table, in place of the real ones, and in the module that makes colourways."""
    module, shades = ModuleType("packshot.editing.fakes"), ModuleType("packshot.editing.recolour")
    module.__dict__.update({row.name: globals()[row.name] for row in ROWS})
    shades.__dict__.update(colourways=colourways)
    real = dict(operations.OPERATIONS)
    operations.OPERATIONS.clear()
    operations.OPERATIONS.update({row.name: row for row in ROWS})
    with pytest.MonkeyPatch.context() as patch:
        for stand_in in (module, shades):
            patch.setitem(sys.modules, stand_in.__name__, stand_in)
        try:
            yield
        finally:
            operations.OPERATIONS.clear()  # by hand: the table's order counts
            operations.OPERATIONS.update(real)


def product_photo(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """A textured rectangle on white."""
    photo = np.full((height, width, 3), 255, np.uint8)
    inner = np.random.default_rng(seed).integers(20, 200, (height - 20, width - 20, 3), dtype=np.uint8)
    photo[10:-10, 10:-10] = inner
    return photo
