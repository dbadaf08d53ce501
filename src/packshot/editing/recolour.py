"""Recolouring a product or a part of it, keeping texture, highlights and every other part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from packshot.colour import oklab_from_srgb
from packshot.editing.colour_names import photo_path, read_colour
from packshot.editing.dye import Dye, Look, dye_for, srgb_of
from packshot.editing.looks import photo_look
from packshot.editing.part import AUTOMATIC, Part, find_part, mapped, strips
from packshot.editing.scene import SOLID, Bytes, Scene
from packshot.errors import RequestError

LARGEST_TOLERANCE = 0.5
_SAMPLE = 40_000
"""Pixels of the part by which the dye is fitted."""


def recolour(scene: Scene, to: str, *, part: str = "", tolerance: float = AUTOMATIC, strength: float = 1.0) -> Scene:
    """Dye the product, or a part of it, in another colour.

    The median of the part's solid pixels becomes the colour. Pixels that belong to the part only partly change partly;
    those of other parts are copied, and `touched` says which ones changed.

    Args:
        scene: cut out.
        to: `#aa2233`, a colour word (navy, 酒红色, light grey, classic blue), or `photo:PATH` for the main colour of
            the product in another photo; on a plain background there, its contrast and shades are followed half way.
        part: nothing for the part with the most pixels of one material, so that soles, buckles, prints and trims keep
            their colour; `all`; a colour for the part that has it now; `x,y` for the part there, in pixels or, both
            with a decimal point, in fractions of the picture; `mask:PATH`, a grey picture of the same size.
        tolerance: distance in OKLab from the part's colours up to which pixels belong to it; 0 shares pixels out by
            nearness to the product's colours.
        strength: 1 the whole way to the colour, 0 none of it.

    Raises:
        RequestError: no such colour or part, or a number out of range.
        InputError: a photo or mask that cannot be read.
    """
    target, look = _read_target(to)
    _check(tolerance, strength)
    return dyed(scene, find_part(scene, part, tolerance, "recolour"), target, strength, look)


def colourways(
    scene: Scene, colours: list[str], *, part: str = "", tolerance: float = AUTOMATIC, strength: float = 1.0
) -> Iterator[tuple[str, Scene]]:
    """One product in several colours: each colour, as given, and the scene in it. The part is found once.

    Colours and numbers are checked before the first scene is made; parameters and errors are those of `recolour`.
    """
    targets = [_read_target(colour) for colour in colours]
    _check(tolerance, strength)
    found = find_part(scene, part, tolerance, "recolour")
    return ((name, dyed(scene, found, to, strength, look)) for name, (to, look) in zip(colours, targets, strict=True))


def _read_target(to: str) -> tuple[NDArray[np.float32], Look | None]:
    """The colour, (3,) in OKLab, and the look of the photo that has it, where it is given by one."""
    target, path = read_colour(to, "recolour.to"), photo_path(to)
    return target, None if path is None else photo_look(path, "recolour.to")


def _check(tolerance: float, strength: float) -> None:
    if not 0 <= tolerance <= LARGEST_TOLERANCE:
        raise RequestError("recolour.tolerance", tolerance, f"0 to {LARGEST_TOLERANCE}")
    if not 0 <= strength <= 1:
        raise RequestError("recolour.strength", strength, "0 to 1")


def dyed(scene: Scene, part: Part, target: NDArray[np.float32], strength: float, look: Look | None = None) -> Scene:
    """The scene with a part, as `find_part` gives it, dyed in a colour (3,) in OKLab; strength from 0 to 1.

    `look` is that of another photo which has the colour, where there is one.
    """
    dye = dye_for(_sample(scene, part), target, look)
    product = scene.product.copy()
    whole = part.weight == 255 if strength == 1 else np.zeros(scene.size, bool)
    if whole.any():
        product = np.where(whole[..., None], mapped(product, whole, lambda old: _mixed(old, None, dye)), product)
    for rows in strips(*scene.size):
        some = (part.weight[rows] > 0) & ~whole[rows]
        share = part.weight[rows][some][:, None] * np.float32(strength / 255)
        product[rows][some] = _mixed(product[rows][some], share, dye)
    return replace(scene, product=product).with_touched((product != scene.product).any(axis=2))


def _mixed(old: Bytes, share: NDArray[np.float32] | None, dye: Dye) -> Bytes:
    """Pixels (N, 3) that are of the part by a share (N, 1), or wholly, in its new colour."""
    lab = oklab_from_srgb(old)
    if share is None:
        return srgb_of(dye(lab))
    # A pixel that mixes two materials has no saturation of its own to go by: it takes part of the plain difference.
    change = share * (dye(lab) - lab) + (1 - share) * (dye.target - dye.present)
    return srgb_of(lab + share * change)


def _sample(scene: Scene, part: Part) -> Bytes:
    """(N, 3) solid pixels that are wholly of the part, evenly taken."""
    alpha = scene.coverage("recolour")
    most = int(part.weight.max())
    sure = np.flatnonzero((part.weight >= min(200, most)) & (alpha >= min(SOLID, int(alpha[part.weight > 0].max()))))
    if not len(sure):
        sure = np.flatnonzero((part.weight > 0) & (alpha > 0))
    return scene.product.reshape(-1, 3)[sure[:: -(-len(sure) // _SAMPLE)]]
