"""Shadows from the product's coverage: where it touches the ground, what light it takes away, its mirror image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from packshot.editing.blurring import soft
from packshot.editing.noise import Field, resized
from packshot.editing.scene import Bytes, Scene
from packshot.errors import RequestError

KINDS = ("contact", "drop", "reflection", "flat")
_SOFTNESS = 0.5
_ANGLE = 215.0
"""Where no light is known: a soft box to the left, a little before the product."""
_WORKING = 900
"""Pixels of the longer side at which shadows are drawn: they are soft."""
_PIECE = 0.01
"""Share of the product's area from which on a part is a piece that stands by itself."""
_SLOPE = 0.32
"""Rise over run up to which the ground line follows the product's lower contour: the edge of a box seen at an angle
touches the ground, the flank of a ball does not."""
_SQUASH = 0.34
"""How much shorter a length away from the viewer looks than one across."""
_NARROW = 0.70
"""How much farther a contact shadow reaches across than towards the viewer."""
_THINNEST = 0.07
"""Least height of a drop shadow in heights of the product: nothing is as thin as a sheet."""
_FADE = 0.30
"""Share of the product's size after which a mirror image has all but gone, for `length` 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the product that stands by itself, such as one shoe of a pair.

    Attributes:
        cover: (h, w) coverage in [0, 1], the other pieces left out.
        columns: where it is.
        lowest: its lowest row in each of these columns.
        ground: the row in which the ground lies under each of these columns, at or below `lowest`.
        size: its longer side, pixels.
    """

    cover: Field
    columns: slice
    lowest: Field
    ground: Field
    size: float


def shadow(
    scene: Scene,
    kind: str = "contact",
    *,
    strength: float = 0.7,
    softness: float | None = None,
    angle: float | None = None,
    length: float = 1.0,
) -> Scene:
    """Give the product a shadow, or several joined by '+': contact, drop, reflection, flat.

    Sizes follow the product's own size. Shadows are grey and multiply those that are there. Every piece of the product
    that stands by itself, such as each shoe of a pair, has its own ground.

    Args:
        scene: cut out.
        kind: `contact`: dark and narrow where the product meets the ground. `drop`: what it takes from the light, laid
            on the ground. `reflection`: its mirror image below it, as far as there is room; needs a backdrop. `flat`:
            for what lies or hangs before a surface: a soft shadow beside it.
        strength: 0 to 1.
        softness: 0 to 1; None: the softness of the place's light, or 0.5 where that is not known.
        angle: from where the light comes, in degrees: 0 right, 90 behind (for `flat` above), 180 left, 270 before;
            None: from where the place's light comes, or 215 where that is not known.
        length: 0.1 to 3, of a drop shadow against the product's height, of a reflection, of a flat shadow's distance.

    Raises:
        RequestError: a value that is not accepted, nothing cut out, or a reflection without a backdrop.
    """
    alpha = scene.coverage("shadow")
    kinds = [part.strip().lower() for part in kind.split("+")]
    if unknown := [part for part in kinds if part not in KINDS]:
        raise RequestError("shadow.kind", f"'{unknown[0]}'", ", ".join(KINDS) + ", joined by +")
    for name, value, low, high in (
        ("strength", strength, 0, 1),
        ("softness", 0 if softness is None else softness, 0, 1),
        ("length", length, 0.1, 3),
    ):
        if not low <= value <= high:
            raise RequestError(f"shadow.{name}", f"{value:g}", f"{low:g} to {high:g}")
    softness = softness if softness is not None else scene.light.softness if scene.light else _SOFTNESS
    if "reflection" in kinds:
        if scene.backdrop is None:
            raise RequestError("shadow.kind", "a reflection on transparency", "a step background before it")
        scene = replace(scene, backdrop=_mirrored(scene, alpha, strength, softness, length))
    dark = _darkness(scene.silhouette("shadow"), kinds, (strength, softness, length), _angles(scene, angle))
    if dark is None:
        return scene
    return replace(scene, shade=_multiplied(scene.shade, dark, alpha.shape))


def _angles(scene: Scene, said: float | None) -> tuple[float, float]:
    """Radians from where the light comes, on the ground and in the picture's plane."""
    if said is None and scene.light is not None:
        return float(np.radians(scene.light.ground_angle)), float(np.radians(scene.light.picture_angle))
    angle = float(np.radians(_ANGLE if said is None else said))
    return angle, angle


def _darkness(
    alpha: Bytes, kinds: list[str], settings: tuple[float, float, float], angles: tuple[float, float]
) -> Field | None:
    """(h, w) share of the light that is taken, at the working size; None where nothing is."""
    strength, softness, length = settings
    factor = min(1.0, _WORKING / max(alpha.shape))
    size = (max(4, round(alpha.shape[1] * factor)), max(4, round(alpha.shape[0] * factor)))
    cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    light = np.ones_like(cover)
    for piece in pieces(cover):
        if "contact" in kinds:
            light *= 1 - strength * _contact(piece, softness)
        if "drop" in kinds:
            light *= 1 - strength * _drop(piece, softness, angles[0], length)
    if "flat" in kinds:
        light *= 1 - strength * _flat(cover, softness, angles[1], length)
    return None if float(light.min()) > 0.998 else np.asarray(1 - light, np.float32)


def _multiplied(shade: Bytes | None, dark: Field, size: tuple[int, int]) -> Bytes:
    """The shade at full size times what was there, dithered: wide shadows on plain paper would show bands."""
    h, w = size
    light = resized(1 - dark, (w, h), cv2.INTER_CUBIC) * np.float32(255)
    if shade is not None:
        light *= shade.astype(np.float32) / 255
    rng = np.random.default_rng(0)
    for top in range(0, h, 512):
        part = light[top : top + 512]
        noise = rng.random(part.shape, np.float32) - rng.random(part.shape, np.float32)
        part += np.where((part < 254.6) & (part > 0.5), noise * np.float32(0.9), 0)
    return np.asarray(np.clip(np.rint(light), 0, 255), np.uint8)


def pieces(cover: Field) -> Iterator[Piece]:
    """The parts of the product that stand by themselves, with their ground."""
    solid = (cover > 0.5).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    total = max(int(solid.sum()), 1)
    for index in range(1, count):
        left, _, width, height, area = (int(value) for value in stats[index])
        if area < _PIECE * total:
            continue
        own = labels == index
        near = cv2.dilate(own.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        columns = slice(left, left + width)
        lowest = (len(cover) - 1 - np.argmax(own[::-1, columns], axis=0)).astype(np.float32)
        yield Piece(
            np.where(near & ((labels == index) | (solid == 0)), cover, 0).astype(np.float32),
            columns,
            lowest,
            ground_under(lowest),
            float(max(width, height)),
        )


def ground_under(lowest: Field) -> Field:
    """The ground's row in each column: the contour's lower hull, nowhere steeper than `_SLOPE`.

    What stands on several feet touches the ground with them, and it runs straight between.
    """
    count = len(lowest)
    points = np.stack([np.arange(count, dtype=np.float32), lowest], 1)
    hull = cv2.convexHull(points)[:, 0]
    xs = np.unique(hull[:, 0])
    ys = np.array([hull[hull[:, 0] == x, 1].max() for x in xs])
    chain = [0]
    for i in range(1, len(xs)):  # the lower chain alone: hull points of the upper one lie above it
        while len(chain) > 1:
            a, b = chain[-2], chain[-1]
            if (ys[b] - ys[a]) * (xs[i] - xs[a]) > (ys[i] - ys[a]) * (xs[b] - xs[a]):
                break
            chain.pop()
        chain.append(i)
    below = np.interp(np.arange(count), xs[chain], ys[chain])
    slope = _SLOPE * np.arange(count)
    right = np.maximum.accumulate(below + slope) - slope
    left = (np.maximum.accumulate((below - slope)[::-1]) + slope[::-1])[::-1]
    return np.asarray(np.maximum(right, left), np.float32)


def _contact(piece: Piece, softness: float) -> Field:
    """Ambient occlusion: lines and gaps at the ground, blurred narrowly and widely, flat as the ground is seen."""
    size = piece.size
    gap = piece.ground - piece.lowest
    touch = np.exp(-gap / (0.018 * size))
    h, w = piece.cover.shape
    line, between = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    x = np.arange(w)[piece.columns]
    row = np.clip(np.rint(piece.ground), 0, h - 1).astype(int)
    line[row, x] = touch
    rows = np.arange(h)[:, None]
    covered = (rows >= piece.lowest) & (rows <= piece.ground)
    between[:, piece.columns] = covered * np.exp(-gap / (0.10 * size))
    wide = 0.45 + 1.1 * softness
    light = np.ones((h, w), np.float32)
    for spread, power in ((0.006, 0.95), (0.016, 0.70), (0.045, 0.45)):
        across, down = max(0.6, spread * wide * size), max(0.5, spread * wide * _NARROW * size)
        blurred = soft(line, across, down, border=cv2.BORDER_CONSTANT) * np.float32(down * np.sqrt(2 * np.pi))
        light *= 1 - power * np.clip(blurred, 0, 1)
    light *= 1 - 0.55 * np.clip(soft(between, max(0.6, 0.006 * wide * size)), 0, 1)
    return np.asarray(1 - light, np.float32)


def _drop(piece: Piece, softness: float, angle: float, length: float) -> Field:
    """The coverage laid on the ground away from the light; farther parts are softer and lighter."""
    size, (h, w) = piece.size, piece.cover.shape
    across, down = -np.cos(angle) * length, np.sin(angle) * length * _SQUASH
    foot, slope = _footing(piece)
    if abs(down - across * slope) < _THINNEST * length:  # light along the product's plane
        down = across * slope + np.copysign(_THINNEST * length, down - across * slope)
    # A point of height t = foot + slope x - y falls to (x + across t, y + (1 + down) t).
    forward = np.array(
        [[1 + across * slope, -across, across * foot], [(1 + down) * slope, -down, (1 + down) * foot]], np.float64
    )
    back = cv2.invertAffineTransform(forward)
    rise = (slope * back[0] - back[1]).astype(np.float32)
    ys, xs = np.ogrid[:h, :w]
    height = rise[0] * xs.astype(np.float32) + rise[1] * ys.astype(np.float32) + np.float32(rise[2] + foot)
    laid = cv2.warpAffine(piece.cover, back, (w, h), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    fallen = np.where(height < 0, 0, laid).astype(np.float32)
    tall = max(foot + slope * w / 2 - float(np.flatnonzero((piece.cover > 0.5).any(1))[0]), 1.0)
    place = np.clip(np.clip(height, 0, None) / tall * 3 * np.float32(length**0.5), 0, 3)
    mixed = np.zeros((h, w), np.float32)
    for level, spread in enumerate((0.006, 0.02, 0.045, 0.09)):
        layer = soft(fallen, spread * (0.3 + 1.4 * softness) * size, border=cv2.BORDER_CONSTANT)
        mixed += layer * np.clip(1 - np.abs(place - level), 0, 1)
    fade = 0.80 - 0.50 * np.clip(height / tall, 0, 1)
    return np.asarray(np.clip(mixed, 0, 1) * fade, np.float32)


def _footing(piece: Piece) -> tuple[float, float]:
    """The straight line through where the piece touches the ground: its row at column 0, and its slope."""
    x = np.arange(piece.cover.shape[1], dtype=np.float64)[piece.columns]
    weight = np.exp(-(piece.ground - piece.lowest) / (0.02 * piece.size)).astype(np.float64) + 1e-9
    middle, row = np.average(x, weights=weight), np.average(piece.ground, weights=weight)
    spread = float(np.average((x - middle) ** 2, weights=weight))
    slope = float(np.average((x - middle) * (piece.ground - row), weights=weight)) / max(spread, 1.0)
    slope = float(np.clip(slope, -_SLOPE, _SLOPE))
    return float(row - slope * middle), slope


def _flat(cover: Field, softness: float, angle: float, length: float) -> Field:
    """What lies on or hangs before a surface: a narrow dark rim and a soft shadow moved away from the light."""
    rows, columns = np.flatnonzero((cover > 0.5).any(1)), np.flatnonzero((cover > 0.5).any(0))
    if not len(rows):
        return np.zeros_like(cover)
    size = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1.0
    light = np.ones_like(cover)
    for distance, spread, power in ((0.006, 0.005, 0.55), (0.02, 0.022, 0.45)):
        dx, dy = -np.cos(angle) * distance * length * size, np.sin(angle) * distance * length * size
        moved = cv2.warpAffine(cover, np.array([[1, 0, dx], [0, 1, dy]]), cover.shape[::-1], flags=cv2.INTER_LINEAR)
        light *= 1 - power * np.clip(soft(np.asarray(moved, np.float32), spread * (0.4 + 1.2 * softness) * size), 0, 1)
    return np.asarray(1 - light, np.float32)


def _mirrored(scene: Scene, alpha: Bytes, strength: float, softness: float, length: float) -> Bytes:
    """The backdrop with the product's mirror image in it, clearest at the ground."""
    assert scene.backdrop is not None
    backdrop = scene.backdrop.copy()
    cover = alpha.astype(np.float32) / 255
    for piece in pieces(cover):
        x, h = np.arange(cover.shape[1])[piece.columns], len(cover)
        reach = _FADE * length * piece.size
        top = int(np.floor(piece.ground.min())) + 1
        bottom = min(h, int(np.ceil(piece.ground.max() + reach * 1.2)))
        if top >= bottom:
            continue
        rows = np.arange(top, bottom, dtype=np.float32)[:, None]
        depth = rows - piece.ground
        up = np.broadcast_to(2 * piece.ground - rows + 1, (bottom - top, len(x))).astype(np.float32)
        across = np.broadcast_to(x.astype(np.float32), up.shape).copy()
        colour = cv2.remap(scene.product, across, up, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen = cv2.remap(piece.cover, across, up, cv2.INTER_LINEAR)
        seen = seen * np.clip(1 - np.clip(depth, 0, None) / reach, 0, 1) ** 1.6 * (depth > 0)
        weighted = soft(colour.astype(np.float32) * seen[..., None], 0.004 * (0.2 + softness) * piece.size)
        seen = soft(np.asarray(seen, np.float32), 0.004 * (0.2 + softness) * piece.size)[..., None]
        part = backdrop[top:bottom, piece.columns]
        mixed = part * (1 - strength * seen) + strength * weighted
        backdrop[top:bottom, piece.columns] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return backdrop
