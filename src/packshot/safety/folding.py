"""Text -> what is left without the tricks that hide a name: width, accents, look-alikes, gaps."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

NONE, MARK, SPACE, STOP = range(4)
"""What stands between two letters of a text: nothing, a sign such as a hyphen, a space, the end of a phrase."""

_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_STOPS = frozenset(',;:!?，。；：！？、\n\r()[]{}<>（）【】《》"“”')
_GLUE = frozenset("'’ʼ`´‘")
_BEFORE, _AFTER, _BETWEEN = frozenset("@$€£"), frozenset("$!"), frozenset("|&")
"""Signs that count as letters before a letter, behind one, and between two; those that hide letters do between two."""
_PLAIN = re.compile("[A-Za-z0-9 '.-]+|[\u4e00-\u9fff]+")
_PLAIN_GAPS = dict.fromkeys(map(ord, " '.-"))
_SQUARES = ((0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189), (0x1F1E6, 0x1F1FF))
"""Ranges of A to Z in squares, in dark circles, in dark squares, and of flags' letters."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A text's letters and digits alone, and where they stood.

    Attributes:
        text: as given.
        view: lower case, simplified, without accents; signs are in it where they may stand for letters.
        at: of each character of the view, its index in the text.
        gaps: what stands before each, one of `NONE` to `STOP`; the last is for the end.
        capitals: whether each was a capital letter.
        pieces: (start, end) in the view of runs of one sort that are not Chinese, divided where case or sort changes.
    """

    text: str
    view: str
    at: tuple[int, ...]
    gaps: tuple[int, ...]
    capitals: tuple[bool, ...]
    pieces: tuple[tuple[int, int], ...]

    def said(self, start: int, end: int) -> str:
        """A stretch of the view as it was typed."""
        return self.text[self.at[start] : self.at[end - 1] + 1]


def fold(text: str) -> Folded:
    """Fold a text, in a time that goes with its length."""
    view: list[str] = []
    at: list[int] = []
    gaps: list[int] = []
    capitals: list[bool] = []
    gap = STOP
    for index, character in enumerate(text):
        for letter, kind, capital in _folded(character):
            if not letter and not (character in _signs() and _is_letter_like(text, index)):
                gap = max(gap, kind)
                continue
            view.append(letter or character)
            at.append(index)
            gaps.append(gap)
            capitals.append(capital)
            gap = NONE
    whole = "".join(view)
    return Folded(text, whole, tuple(at), (*gaps, STOP), tuple(capitals), tuple(_pieces(whole, gaps, capitals)))


def view_of(text: str) -> str:
    """The view of a text alone; quick for plain spellings, of which lists have thousands."""
    if not _PLAIN.fullmatch(text):
        return fold(text).view
    view = text.casefold().translate(_PLAIN_GAPS)
    return view if view.isascii() else "".join(_simplified().get(letter, letter) for letter in view)


def is_han(character: str) -> bool:
    """Whether it is a Chinese character."""
    return _HAN.match(character) is not None


def skeleton(view: str) -> str:
    """A view with signs and digits as the letters they stand for, and letters that are drawn alike as one."""
    return view.translate(_swaps())


@cache
def masks() -> frozenset[str]:
    """Signs that hide a letter."""
    return frozenset(_tables()["masks"]["signs"])


@cache
def _signs() -> frozenset[str]:
    """All signs that may stand for letters."""
    return _BEFORE | _AFTER | _BETWEEN | masks()


@cache
def ordinary() -> frozenset[str]:
    """Short English words."""
    return frozenset(_tables()["ordinary"]["words"].split())


@cache
def _folded(character: str) -> tuple[tuple[str, int, bool], ...]:
    """(letter, kind of gap, whether a capital) of what a character stands for; the letter is empty for a gap.

    None for marks and for what is not seen, several for ligatures.
    """
    found: list[tuple[str, int, bool]] = []
    for part in _parts(character):
        if part.isalnum():
            lower = part.casefold()
            found += ((_simplified().get(letter, letter), NONE, part != lower) for letter in lower)
        elif part not in _GLUE:
            found.append(("", STOP if part in _STOPS else SPACE if part.isspace() else MARK, False))
    return tuple(found)


def _parts(character: str) -> str:
    if character.isascii() or is_han(character):
        return character
    code = ord(character)
    for first, last in _SQUARES:
        if first <= code <= last:
            return chr(ord("A") + code - first)
    plain = unicodedata.normalize("NFKD", character).translate(_lookalikes())
    return "".join(part for part in plain if unicodedata.category(part) not in ("Mn", "Me", "Cf"))


def _is_letter_like(text: str, index: int) -> bool:
    """Whether the sign at a place may stand for a letter there."""
    sign = text[index]
    if sign in _BEFORE and _is_latin(text, index + 1):
        return True
    if sign in masks():
        before, after = index, index
        while before >= 0 and text[before] in masks():
            before -= 1
        while after < len(text) and text[after] in masks():
            after += 1
        return _is_latin(text, before) and _is_latin(text, after)
    if sign in _AFTER:
        return _is_latin(text, index - 1)
    return sign in _BETWEEN and _is_latin(text, index - 1) and _is_latin(text, index + 1)


def _is_latin(text: str, index: int) -> bool:
    return 0 <= index < len(text) and text[index].isalnum() and not is_han(text[index])


def _pieces(view: str, gaps: list[int], capitals: list[bool]) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    start: int | None = None
    before = _HAN_SORT
    for index, letter in enumerate(view):
        now = _sort(letter)
        if now != before or gaps[index] or (now == _LETTER and capitals[index] and _is_hump(view, capitals, index)):
            if start is not None:
                pieces.append((start, index))
            start = None if now == _HAN_SORT else index
        before = now
    return pieces if start is None else [*pieces, (start, len(view))]


def _is_hump(view: str, capitals: list[bool], index: int) -> bool:
    """Whether a capital begins a new piece: 'iPhone' has two, and so has 'NIKEShoes'."""
    small_follows = index + 1 < len(view) and _sort(view[index + 1]) == _LETTER and not capitals[index + 1]
    return not capitals[index - 1] or small_follows


_HAN_SORT, _LETTER, _DIGIT, _SIGN = range(4)


@cache
def _sort(character: str) -> int:
    if is_han(character):
        return _HAN_SORT
    return _DIGIT if character.isdecimal() else _LETTER if character.isalpha() else _SIGN


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("folding.toml").read_text("utf-8"))


def _pairs(name: str) -> zip[tuple[str, str]]:
    table = _tables()[name]
    return zip(table["from"].replace("\n", ""), table["to"].replace("\n", ""), strict=True)


@cache
def _lookalikes() -> dict[int, str]:
    return {ord(a): b for a, b in _pairs("lookalikes")}


@cache
def _swaps() -> dict[int, str]:
    return {ord(a): b for a, b in _pairs("swaps")}


@cache
def _simplified() -> dict[str, str]:
    return dict(_pairs("traditional"))
