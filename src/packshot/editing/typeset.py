"""Type: a real font, lines broken as Chinese and Latin text want it, and the ink of a block as a mask."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from packshot.editing.scene import Bytes
from packshot.errors import MissingExtraError, RequestError
from packshot.images import FONT_PACKAGE, packaged_font

LINE = 1.3
"""Distance of baselines over the size of the type."""
LEAST_PX = 8
"""Type smaller than this cannot be read."""

_BOLD = 0.022  # stroke over size that makes a regular weight look medium
_LANGUAGE = "zh-Hans"  # the font's own forms are Taiwan's: commas in the middle, and other strokes
_CLOSING = "，。、；：！？）】》」』〉”’％%…·,.;:!?)]}°℃"  # never begins a line (GB/T 15834-2011, section 5.1)
_OPENING = "（【《「『〈“‘([{¥￥$"  # never ends one
_WIDE = r"\u1100-\u11ff\u2e80-\u303f\u3040-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_UNIT = re.compile(rf"\s+|[{_WIDE}]|[^\s{_WIDE}]+")

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of type as ink.

    Attributes:
        ink: (H, W) coverage, cut to what is inked.
        outline: (H, W) coverage of the ink and its outline; None without.
        size: of the type, pixels.
    """

    ink: Bytes
    outline: Bytes | None
    size: float


def font_file(font: str, where: str) -> Path:
    """The file of a font: the one named, or Noto Sans CJK where nothing is.

    Raises:
        RequestError: there is no such file.
        MissingExtraError: Noto Sans CJK is not installed.
    """
    if font:
        path = Path(font).expanduser()
        try:
            opened(path, 20.0)
        except OSError:
            raise RequestError(where, f"'{font}'", "a TrueType or OpenType file; none for Noto Sans CJK") from None
        return path
    if (packaged := packaged_font()) is not None:
        return packaged
    raise MissingExtraError(where, "no font", f"pip install 'packshot[edit]' (it brings {FONT_PACKAGE})")


@lru_cache(maxsize=16)
def opened(path: Path, px: float) -> Font:
    """The font at a size in pixels; OSError where the file is no font."""
    engine = ImageFont.Layout.RAQM if features.check("raqm") else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(path), px, layout_engine=engine)


def checked_words(words: str, path: Path, where: str) -> str:
    r"""The words with `\n` read as a line's end, spaces tidied.

    Raises:
        RequestError: nothing to draw, or characters that the font lacks.
    """
    text = "\n".join(" ".join(line.split()) for line in words.replace("\\n", "\n").splitlines()).strip("\n")
    if not text.strip():
        raise RequestError(where, f"'{words}'", "some words")
    lacking = _lacking(path, "".join(sorted(set(text) - {"\n", " "})))
    if lacking:
        names = " ".join(f"{c} (U+{ord(c):04X})" if c.isprintable() else f"U+{ord(c):04X}" for c in lacking)
        raise RequestError(where, names, f"characters that the font {path.stem} has")
    return text


def set_block(
    text: str, path: Path, px: float, room: tuple[float, float], *, align: str, outline: float, bold: bool, where: str
) -> Block:
    """Break, align and draw; type that does not fit into the room gets smaller.

    Args:
        text: checked; its line ends are kept, more are added where a line is too long.
        path: of the font.
        px: size of the type.
        room: most width and height of the ink in pixels.
        align: "left", "centre" or "right".
        outline: width over size, 0 for none.
        bold: whether to thicken the strokes.
        where: for errors.

    Raises:
        RequestError: it would have to be smaller than `LEAST_PX`.
    """
    while px >= LEAST_PX:
        font = opened(path, round(px * 4) / 4)
        stroke = (_BOLD * px if bold else 0.0, (_BOLD * px if bold else 0.0) + outline * px)
        width = room[0] - 2 * stroke[1]
        hopeless = _length(text.replace("\n", ""), font) * LINE * px > 1.2 * width * (room[1] + px)
        lines = None if hopeless else _lines(text, font, width)
        if lines is not None:
            block = _drawn(lines, font, px, align, stroke)
            widest = block.ink if block.outline is None else block.outline
            if widest.shape[1] <= room[0] and widest.shape[0] <= room[1]:
                return block
        px *= 0.94
    raise RequestError(
        where, f"'{text[:40]}'", f"fewer words, or more room: here they would be under {LEAST_PX} pixels"
    )


@lru_cache(maxsize=64)
def _lacking(path: Path, characters: str) -> str:
    """Those that are drawn as the font draws U+FFFF, which no font has."""
    font = ImageFont.truetype(str(path), 40, layout_engine=ImageFont.Layout.BASIC)

    def drawn(character: str) -> tuple[tuple[int, int], bytes]:
        mask = font.getmask(character, mode="L")
        return mask.size, bytes(mask)

    nothing = drawn("\uffff")
    return "".join(c for c in characters if drawn(c) == nothing)


def _lines(text: str, font: Font, width: float) -> list[str] | None:
    """Lines no longer than `width`, as even as their number allows; None where a word alone is longer."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        units = _units(paragraph)
        if any(_length(unit, font) > width for unit in units):
            return None
        broken = _broken(units, font, width)
        low, high = 0.0, width
        while len(broken) > 1 and high - low > 1:  # the narrowest measure that takes no more lines: no lone last word
            middle = (low + high) / 2
            tried = _broken(units, font, middle)
            fits = len(tried) == len(broken) and max(_length(line, font) for line in tried) <= middle
            low, high = (low, middle) if fits else (middle, high)
        lines += _broken(units, font, high) if len(broken) > 1 else broken
    return lines


def _units(paragraph: str) -> list[str]:
    """What is never broken: a word, or a Chinese character with the punctuation that belongs to it."""
    units: list[str] = []
    for piece in _UNIT.findall(paragraph):
        joins = bool(units) and not piece.isspace() and not units[-1].isspace()
        if joins and (piece[0] in _CLOSING or units[-1][-1] in _OPENING):
            units[-1] += piece
        else:
            units.append(piece)
    return units


def _broken(units: list[str], font: Font, width: float) -> list[str]:
    lines, line, taken = [], "", 0.0
    for unit in units:
        more = _length(unit, font)
        if line and not unit.isspace() and taken + more > width:
            lines.append(line.rstrip())
            line, taken = "", 0.0
        if line or not unit.isspace():
            line, taken = line + unit, taken + more
    return [*lines, line.rstrip()]


@lru_cache(maxsize=10_000)
def _length(text: str, font: Font) -> float:
    return float(font.getlength(text, language=_spoken(font)))


def _spoken(font: Font) -> str | None:
    return _LANGUAGE if font.layout_engine == ImageFont.Layout.RAQM else None


def _drawn(lines: list[str], font: Font, px: float, align: str, stroke: tuple[float, float]) -> Block:
    lengths = [_length(line, font) for line in lines]
    pad = int(px) + int(2 * stroke[1]) + 2
    size = (int(max(lengths)) + 2 * pad, int(LINE * px * len(lines)) + 2 * pad)
    place = {"left": 0.0, "centre": 0.5, "right": 1.0}[align]

    def ink(width: float) -> Bytes:
        image = Image.new("L", size)
        draw = ImageDraw.Draw(image)
        for number, line in enumerate(lines):
            at = (round(pad + (max(lengths) - lengths[number]) * place), round(pad + LINE * px * (number + 0.85)))
            draw.text(at, line, fill=255, font=font, anchor="ls", stroke_width=width, language=_spoken(font))
        return np.asarray(image)

    inner = ink(stroke[0])
    outer = ink(stroke[1]) if stroke[1] > stroke[0] else None
    widest = inner if outer is None else outer
    rows, columns = np.flatnonzero(widest.any(1)), np.flatnonzero(widest.any(0))
    if not len(rows):
        return Block(inner[:1, :1], None, px)
    cut = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return Block(inner[cut], None if outer is None else outer[cut], px)
