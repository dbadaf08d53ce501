"""The visible label of GB 45438-2025, section 4.1: words in a corner, high enough, and legible on what lies below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from packshot.errors import MissingExtraError, RequestError
from packshot.images import FONT_PACKAGE, flattened, packaged_font

WORDS = "AI生成"
LEAST_HEIGHT = 0.05
"""Of the letters, as a share of the picture's shorter side."""
LEAST_CONTRAST = 4.5
"""Between letters and the palest or darkest tenth of what lies below (WCAG 2.2, 1.4.3); else a plate is laid."""

_LEGIBLE_PX = 10.0  # strokes of 生成 run into each other below; where so much does not fit, less
_MARGIN = 0.02
_BUSY = 32.0  # deviation in levels from which on letters get lost in a pattern
_SAFE = 1.03  # rasterised letters may lose a row
_PLATE = 0.75  # its opacity
_SEEN = 0.5  # correlation of the expected ink with the picture from which on the label is there
_CORNERS = ("bottom right", "bottom left", "top right", "top left")  # the first of equals: where people look for one

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A visible label in a picture.

    Attributes:
        words: what it says.
        corner: where it stands.
        box: left, top, right, bottom of its ink, as shares of width and height.
        height: of its letters, as a share of the shorter side.
        contrast: of letters and what lies below, 1 to 21.
        plate: whether a plate was laid below.
        size_px: of the type.
    """

    words: str
    corner: str
    box: tuple[float, float, float, float]
    height: float
    contrast: float
    plate: bool
    size_px: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return {
            "words": self.words,
            "corner": self.corner,
            "box": [round(side, 5) for side in self.box],
            "height": round(self.height, 4),
            "contrast": round(self.contrast, 1),
            "plate": self.plate,
        }


def checked_words(words: str) -> str:
    """The words, if they say what the standard wants said.

    Raises:
        RequestError: neither 人工智能 nor AI, or neither 生成 nor 合成.
    """
    by, how = ("人工智能" in words or "AI" in words), ("生成" in words or "合成" in words)
    if not (by and how):
        raise RequestError("visible label", f"'{words}'", "words with 人工智能 or AI, and 生成 or 合成")
    return words


def draw(pixels: Bytes, words: str = WORDS, *, height: float = LEAST_HEIGHT) -> tuple[Bytes, Drawn]:
    """Draw the label in the corner with the least product.

    Args:
        pixels: (H, W, 3) or (H, W, 4) sRGB bytes; not changed.
        words: see `checked_words`.
        height: of capitals and 生成 or 合成, whichever is lower, over the shorter side, at least `LEAST_HEIGHT`; small
            pictures get larger letters, 10 pixels high, if they fit.

    Raises:
        RequestError: other words, less height, or the words are wider than the picture.
        MissingExtraError: the font is not installed.
    """
    if height < LEAST_HEIGHT:
        raise RequestError("visible label", f"a height of {height:g}", f"at least {LEAST_HEIGHT} of the shorter side")
    tall, wide = pixels.shape[:2]
    margin = margin_of((tall, wide))
    letters, size_px, ink = _fitted(checked_words(words), height * min(tall, wide) * _SAFE, (tall, wide), margin)
    corner, (top, left) = _emptiest(flattened(pixels), ink.shape, margin)
    bottom, right = top + ink.shape[0], left + ink.shape[1]
    out = pixels.copy()
    pale, contrast = _colour(flattened(pixels)[top:bottom, left:right])
    plate = contrast < LEAST_CONTRAST or _is_busy(flattened(pixels)[top:bottom, left:right])
    if plate:
        contrast = _lay_plate(out, (top, left, bottom, right), margin, pale)
    _paint(out[top:bottom, left:right], ink, 255 if pale else 0)
    box = (left / wide, top / tall, right / wide, bottom / tall)
    return out, Drawn(words, corner, box, letters / min(tall, wide), contrast, plate, size_px)


def margin_of(size: tuple[int, int]) -> int:
    """Pixels between a label and the sides of a picture of (height, width); a plate under it reaches less far."""
    return max(2, round(_MARGIN * min(size)))


def is_seen(pixels: Bytes, words: str, box: tuple[float, float, float, float]) -> bool:
    """Whether a label with these words still stands in this place: its ink, drawn again, agrees with the picture.

    Args:
        pixels: (H, W, 3 or 4), perhaps resized since.
        words: of the label.
        box: as of `Drawn`.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (width, height) * 2, strict=True))
    part = flattened(pixels)[max(top, 0) : bottom, max(left, 0) : right].astype(np.float32).mean(axis=2)
    if min(part.shape) < 6 or packaged_font() is None:
        return False
    ink = Image.fromarray(_ink(words, _font(words, 100.0)[0])).resize(part.shape[::-1], Image.Resampling.BOX)
    expected = np.asarray(ink, np.float32)
    if part.std() < 1 or expected.std() < 1:
        return False
    return bool(abs(np.corrcoef(part.ravel(), expected.ravel())[0, 1]) > _SEEN)


def _fitted(words: str, least_px: float, size: tuple[int, int], margin: int) -> tuple[float, float, Bytes]:
    """Height of the letters, size of the type and ink, as large as is legible and fits, and never below `least_px`.

    Raises:
        RequestError: not even that fits into (height, width).
    """
    for letters_px in sorted({least_px, *(px for px in (_LEGIBLE_PX, 8.0) if px > least_px)}, reverse=True):
        font, letters = _font(words, letters_px)
        ink = _ink(words, font)
        if ink.shape[1] + 2 * margin <= size[1] and ink.shape[0] + 2 * margin <= size[0]:
            return letters, float(font.size), ink
    raise RequestError("visible label", f"'{words}'", f"words that fit into {size[1]}×{size[0]} pixels")


def _font(words: str, letters_px: float) -> tuple[ImageFont.FreeTypeFont, float]:
    """The font at the size at which the lowest letter is `letters_px` high, and that height in pixels.

    Capitals are lower than 生成 in the same font and count as well: the standard speaks of all characters. Others,
    as 一 or a comma, are low by nature.
    """
    path = packaged_font()
    if path is None:
        raise MissingExtraError("visible label", "no font", f"pip install 'packshot[edit]' (it brings {FONT_PACKAGE})")
    probe = ImageFont.truetype(str(path), 200)
    measured = [
        *(c for c in words if c in "生成合"),
        *(["H"] if any(c.isascii() and c.isalnum() for c in words) else []),
    ]
    lowest = min(_extent(probe, character) for character in measured)
    font = ImageFont.truetype(str(path), 200 * letters_px / lowest)
    return font, float(min(_extent(font, character) for character in measured))


def _extent(font: ImageFont.FreeTypeFont, character: str) -> float:
    box = font.getbbox(character)
    return float(box[3] - box[1])


def _ink(words: str, font: ImageFont.FreeTypeFont) -> Bytes:
    """Coverage (h, w) of the words, cut to their ink."""
    left, top, right, bottom = font.getbbox(words)
    image = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    stroke = font.size * 0.012  # a regular weight is thin for a label
    ImageDraw.Draw(image).text((1 - left, 1 - top), words, fill=255, font=font, stroke_width=stroke)
    return np.array(image)


def _emptiest(rgb: Bytes, size: tuple[int, int], margin: int) -> tuple[str, tuple[int, int]]:
    """The corner with the least going on, and (top, left) of the ink in it."""
    height, width = rgb.shape[:2]
    tops = {"top": margin, "bottom": height - margin - size[0]}
    lefts = {"left": margin, "right": width - margin - size[1]}
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.float32)
    ground = np.median(border, axis=0)
    best = min(_CORNERS, key=lambda name: _product(rgb, tops[name.split()[0]], lefts[name.split()[1]], size, ground))
    return best, (tops[best.split()[0]], lefts[best.split()[1]])


def _product(rgb: Bytes, top: int, left: int, size: tuple[int, int], ground: NDArray[np.float32]) -> float:
    """How far a box differs from the border's colour and from its own mean; in steps, so that noise decides nothing."""
    part = rgb[top : top + size[0], left : left + size[1]].astype(np.float32)
    away = np.abs(part - ground).mean()
    return float(round((away + 2 * part.std(axis=(0, 1)).mean()) / 8))


def _colour(part: Bytes) -> tuple[bool, float]:
    """Whether letters are white, and their contrast with the tenth of `part` that they stand out from least."""
    light = _luminance(part)
    low, high = np.quantile(light, [0.1, 0.9])
    white, black = 1.05 / (float(high) + 0.05), (float(low) + 0.05) / 0.05
    return (True, white) if white > black else (False, black)


def _is_busy(part: Bytes) -> bool:
    return float(part.astype(np.float32).mean(axis=2).std()) > _BUSY


def _luminance(part: Bytes) -> NDArray[np.float32]:
    """Relative luminance 0 to 1 (WCAG 2.2)."""
    share = part.astype(np.float32) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return (linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)).astype(np.float32)


def _lay_plate(out: Bytes, box: tuple[int, int, int, int], margin: int, pale: bool) -> float:
    """Darken or lighten the ground below the letters until they can be read; the contrast that this gives."""
    pad = margin // 2
    top, left, bottom, right = (max(0, box[0] - pad), max(0, box[1] - pad), box[2] + pad, box[3] + pad)
    part = out[top:bottom, left:right]
    contrast = 1.0
    for opacity in (_PLATE, 0.9, 1.0):
        laid = (part[..., :3] * (1 - opacity) + (0 if pale else 255) * opacity).astype(np.uint8)
        light = _luminance(laid)
        low, high = np.quantile(light, [0.1, 0.9])
        contrast = 1.05 / (float(high) + 0.05) if pale else (float(low) + 0.05) / 0.05
        if contrast >= LEAST_CONTRAST:
            break
    part[..., :3] = laid
    if part.shape[2] == 4:
        part[..., 3] = 255
    return contrast


def _paint(part: Bytes, ink: Bytes, level: int) -> None:
    cover = (ink.astype(np.float32) / 255)[..., None]
    part[..., :3] = np.rint(part[..., :3] * (1 - cover) + level * cover).astype(np.uint8)
    if part.shape[2] == 4:
        part[..., 3] = np.maximum(part[..., 3], ink)
