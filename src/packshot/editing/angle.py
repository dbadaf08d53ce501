"""Angles: upright, mirrored, turned in the plane, and seen from a little to the side."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from packshot.editing.scene import Scene
from packshot.editing.upright import MAX_TILT, estimate_tilt
from packshot.editing.warp import Matrix, check_pixels, permuted, product_box, warped
from packshot.errors import RequestError

LEAST_TURN = 0.3
"""Degrees under which a photo counts as upright: nobody sees less, and resampling costs a little sharpness."""
MAX_VIEW = 40.0
"""Degrees of yaw or pitch over which a planar view is a lie: what comes into sight was never photographed."""
_AXES = {"horizontal": 1, "vertical": 0}
_SNAP = 1e-4  # degrees; closer to a quarter than this is a quarter


def straighten(scene: Scene, by: str = "auto") -> Scene:
    """Turn the product upright.

    The tilt is estimated from the product's outline, or from long straight lines where nothing is cut out; see
    `packshot.editing.upright`. Nothing happens where it is under `LEAST_TURN` or cannot be told.

    Args:
        scene: what is there.
        by: "auto", or the degrees to turn clockwise, -45 to 45.

    Raises:
        RequestError: another `by`, or a result that is too large.
    """
    if by.strip().lower() == "auto":
        tilt = estimate_tilt(scene)
        return scene if tilt is None or abs(tilt) < LEAST_TURN else _turned(scene, -tilt, "straighten.by")
    try:
        degrees = float(by)
    except ValueError:
        degrees = math.nan
    if not abs(degrees) <= MAX_TILT:
        raise RequestError("straighten.by", f"'{by}'", f"auto, or degrees clockwise from -{MAX_TILT:g} to {MAX_TILT:g}")
    return scene if degrees == 0 else _turned(scene, degrees, "straighten.by")


def flip(scene: Scene, axis: str = "horizontal") -> Scene:
    """Mirror the picture; lettering on the product then reads backwards.

    Args:
        scene: what is there.
        axis: "horizontal" swaps left and right, "vertical" top and bottom.

    Raises:
        RequestError: another `axis`.
    """
    if axis not in _AXES:
        raise RequestError("flip.axis", f"'{axis}'", " or ".join(_AXES))
    seen = permuted(scene, partial(np.flip, axis=_AXES[axis]))
    return replace(seen, light=scene.light and scene.light.mirrored(axis))


def turn(scene: Scene, degrees: float) -> Scene:
    """Turn the picture clockwise in its plane; the canvas grows so that nothing is cut.

    Multiples of 90 copy every pixel. In the corners that other angles uncover there is no product; backdrops, and
    photos that were not cut out, go on from their edges.

    Args:
        scene: what is there.
        degrees: clockwise, -360 to 360.

    Raises:
        RequestError: degrees out of range, or a result that is too large.
    """
    if not -360 <= degrees <= 360:
        raise RequestError("turn.degrees", f"{degrees:g}", "-360 to 360")
    quarters = round(degrees / 90)
    if abs(degrees - 90 * quarters) > _SNAP:
        return _turned(scene, degrees, "turn.degrees")
    if quarters % 4 == 0:
        return scene
    seen = permuted(scene, partial(np.rot90, k=-quarters))
    return replace(seen, light=scene.light and scene.light.turned(90 * quarters))


def tilt(scene: Scene, yaw: float, *, pitch: float = 0.0, view: float = 35.0) -> Scene:
    """Show a flat or box-like product as from a little to the side, in perspective.

    The product is taken as a plane in front of a pinhole camera and turned about its middle; the homography is
    K [r1 r2 t] (Hartley & Zisserman 2004, section 8.1.1). Then it is framed anew: the same share of the picture as
    before, nothing over the edge. Backdrop and overlay stay. No side that the photo does not show comes into sight,
    and a round product only looks squeezed: a true new view needs a view-conditioned pack.

    Args:
        scene: what is there; a photo that was not cut out is tilted whole.
        yaw: degrees about the upright axis, at most `MAX_VIEW`; positive brings the left side nearer.
        pitch: degrees about the level axis, at most `MAX_VIEW`; positive brings the top nearer.
        view: the camera's angle of view over the longer side, degrees, 10 to 60; wider is more dramatic.

    Raises:
        RequestError: a value out of range.
    """
    for name, angle in (("yaw", yaw), ("pitch", pitch)):
        if not abs(angle) <= MAX_VIEW:
            raise RequestError(
                f"tilt.{name}",
                f"{angle:g} degrees",
                f"-{MAX_VIEW:g} to {MAX_VIEW:g}; more shows sides that were not photographed and needs a model pack",
            )
    if not 10 <= view <= 60:  # wider, and a corner of the product may come to lie behind the camera
        raise RequestError("tilt.view", f"{view:g}", "10 to 60 degrees")
    if yaw == 0 and pitch == 0:
        return scene
    height, width = scene.size
    outline = _outline(scene)
    low, high = outline.min(0), outline.max(0)
    seen = _seen(yaw, pitch, max(height, width) / 2 / math.tan(math.radians(view) / 2), (low + high) / 2)
    return warped(scene, _reframed(seen, outline, (height, width)), (height, width), "tilt", behind=scene.alpha is None)


def _turned(scene: Scene, degrees: float, where: str) -> Scene:
    height, width = scene.size
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    wide = math.ceil(abs(width * cos) + abs(height * sin) - 1e-6)
    high = math.ceil(abs(width * sin) + abs(height * cos) - 1e-6)
    check_pixels(wide, high, where)
    about, to = ((width - 1) / 2, (height - 1) / 2), ((wide - 1) / 2, (high - 1) / 2)
    turning = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float64)
    seen = warped(scene, _translation(*to) @ turning @ _translation(-about[0], -about[1]), (high, wide), where)
    return replace(seen, light=scene.light and scene.light.turned(degrees))


def _outline(scene: Scene) -> Matrix:
    """(N, 2) x and y of the product's convex hull, or of the whole picture's corners."""
    height, width = scene.size
    if scene.alpha is None:
        return np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
    left, top, right, bottom = product_box(scene, "tilt")
    mask = (scene.alpha[top:bottom, left:right] > 0).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.convexHull(np.concatenate(contours))
    return np.asarray(hull.reshape(-1, 2) + np.array([left, top]), np.float64)


def _seen(yaw: float, pitch: float, focal: float, middle: Matrix) -> Matrix:
    """The homography of a plane at the camera's focal distance, turned about `middle`."""
    y, p = math.radians(-yaw), math.radians(pitch)
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    rotation = about_x @ about_y
    plane = np.column_stack([rotation[:, 0], rotation[:, 1], [0, 0, focal]])
    camera = np.diag([focal, focal, 1.0])
    return np.asarray(_translation(*middle) @ camera @ plane @ _translation(*-middle))


def _reframed(seen: Matrix, outline: Matrix, size: tuple[int, int]) -> Matrix:
    """`seen`, scaled and moved so that the outline takes as much of the frame as before and stays inside."""
    frame = np.array(size[::-1], np.float64)
    shown = np.column_stack([outline, np.ones(len(outline))]) @ seen.T
    shown = shown[:, :2] / shown[:, 2:]
    before = outline.max(0) - outline.min(0)
    low, high = shown.min(0), shown.max(0)
    scale = float((before / frame).max() / ((high - low) / frame).max())
    half = (high - low) * scale / 2
    middle = (outline.min(0) + outline.max(0)) / 2
    middle = np.clip(middle, half - 0.5, np.maximum(frame - 0.5 - half, half - 0.5))
    about = (low + high) / 2
    return np.asarray(_translation(*middle) @ np.diag([scale, scale, 1.0]) @ _translation(*-about) @ seen)


def _translation(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
