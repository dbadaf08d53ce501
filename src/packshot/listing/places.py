"""Which place a product is shown in: the table `places.toml`, by what the product is and by its SKU. Draws nothing."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

OTHER = "other"
"""The group of products of no other group."""
NEXT = 3
"""Places that a picture made anew goes on by: more than a set usually has scenes, so that no two of them meet."""

_LATIN = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Products that are shown in the same places.

    Attributes:
        categories: entries of the lexicon.
        words: of titles, for products that the lexicon does not know.
        shadow: kind, as `shadow` takes it.
        places: as `background` takes them.
    """

    categories: frozenset[str]
    words: frozenset[str]
    shadow: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a picture is set.

    Attributes:
        place: in words.
        shadow: kind.
        seed: of the place's accidents.
    """

    place: str
    shadow: str
    seed: int


@cache
def groups() -> dict[str, Group]:
    """All groups by name."""
    table = tomllib.loads(resources.files(__package__).joinpath("places.toml").read_text("utf-8"))
    return {
        name: Group(
            frozenset(row.get("categories", ())), frozenset(row.get("words", ())), row["shadow"], (*row["places"],)
        )
        for name, row in table.items()
    }


def group_of(category: str, title: str) -> str:
    """The group of a product: that of its category, else of a word in its title, else `OTHER`."""
    known = groups()
    for name, group in known.items():
        if category in group.categories:
            return name
    text = title.casefold()
    latin = {form for word in _LATIN.findall(text) for form in (word, word.removesuffix("s"))}
    for name, group in known.items():
        if any(word in latin if word.isascii() else word in text for word in group.words):
            return name
    return OTHER


def stage_for(sku: str, category: str, title: str, number: int, take: int = 0) -> Stage:
    """Where scene `number` (from 1) of a product is set; the same arguments give the same.

    The places of a group come in an order of the SKU's own, so that no two scenes of a product share one as long as
    there are as many; `take` counts how often the picture was made anew.
    """
    group = groups()[group_of(category, title)]
    order = sorted(group.places, key=lambda place: _digest(sku, place))
    place = order[(number - 1 + NEXT * take) % len(order)]
    return Stage(place, group.shadow, int.from_bytes(_digest(sku, place, str(number), str(take))[:4]))


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
