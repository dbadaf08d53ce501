"""What a column means, going by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from packshot.catalogue.attributes import understood
from packshot.catalogue.files import PICTURE_ENDINGS
from packshot.catalogue.rows import RawRow, text_of
from packshot.listing.products import Damaged
from packshot.prompt import colour_of_name, entry_for_catalogue_name

_PICTURE = re.compile(rf"\.({'|'.join(PICTURE_ENDINGS)})\b", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{1,39}")
_AMOUNT = re.compile(r"\d+[.,]\d{1,2}")
_MOST_TITLES = 30

Score = Callable[[Sequence[str]], float]


def guess_by_content(wanted: Sequence[str], columns: Sequence[str], sample: Sequence[RawRow]) -> dict[str, str]:
    """Columns by meaning, for those of `wanted` that a column's content fits; the first of equals wins.

    Args:
        wanted: of `photo`, `sku`, `title`, `colour` and `category`.
        columns: those still free.
        sample: rows to look at.
    """
    values = {column: texts for column in columns if (texts := _texts(sample, column))}
    found: dict[str, str] = {}
    for meaning in ("photo", "colour", "category", "sku", "title"):
        if meaning not in wanted or not values:
            continue
        scores = {column: _SCORES[meaning](texts) for column, texts in values.items()}
        best = max(scores, key=lambda column: scores[column])
        if scores[best] > 0:
            found[meaning] = best
            del values[best]
    return found


def _texts(sample: Sequence[RawRow], column: str) -> list[str]:
    cells = [row.cells.get(column) for row in sample]
    return [text for cell in cells if not isinstance(cell, Damaged) and (text := text_of(cell))]


def _photo(texts: Sequence[str]) -> float:
    return _share(texts, lambda text: _PICTURE.search(text) is not None, least=0.6)


def _colour(texts: Sequence[str]) -> float:
    return _share(texts, lambda text: colour_of_name(text) is not None, least=0.7)


def _category(texts: Sequence[str]) -> float:
    return _share(texts, lambda text: entry_for_catalogue_name("category", text) is not None, least=0.7)


def _sku(texts: Sequence[str]) -> float:
    """Codes, all different, most with a digit; no amounts of money."""
    if len(set(texts)) < len(texts) or not all(_CODE.fullmatch(text) for text in texts):
        return 0.0
    with_digit = _share(texts, lambda text: any(character.isdigit() for character in text), least=0.5)
    return 0.0 if _share(texts, lambda text: _AMOUNT.fullmatch(text) is not None, least=0.5) else with_digit


def _title(texts: Sequence[str]) -> float:
    """Words, best of all such as name a product."""
    words = _share(texts, lambda text: len(text) >= 4 and _CODE.fullmatch(text) is None, least=0.6)
    if not words:
        return 0.0
    read = [understood(text) for text in texts[:_MOST_TITLES]]
    named = sum(prompt is not None and prompt.category is not None for prompt in read) / len(read)
    return named + min(sum(map(len, texts)) / len(texts), 200) / 1000


def _share(texts: Sequence[str], fits: Callable[[str], bool], *, least: float) -> float:
    """The share of texts that fit, 0 where it is below `least`."""
    share = sum(map(fits, texts)) / len(texts)
    return share if share >= least else 0.0


_SCORES: dict[str, Score] = {
    "photo": _photo,
    "colour": _colour,
    "category": _category,
    "sku": _sku,
    "title": _title,
}
