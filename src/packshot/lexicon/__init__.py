"""The words we understand, read once from the TOML tables beside this file. Knows nothing of prompts.

A *term* is a word or phrase as the token forms of `packshot.lexicon.tokens`; it has one or more *meanings*: an entry of
a slot, a colour, a modifier of colours, or one of the roles of `other.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import numpy as np

from packshot.colour import oklab_from_srgb
from packshot.lexicon.tokens import tokenise

Oklab = tuple[float, float, float]

CATEGORY_VALUES = 48
"""Values of the category slot that networks tell apart, 0 being silence; sellers' own kinds take them from the end."""
SLOTS: tuple[str, ...] = ("category", "usage", "gender", "material", "style")
_OTHER_ROLES = ("filler", "background", "preposition", "elsewhere")


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table.

    Attributes:
        key: the name of its table.
        names: a catalogue's own words for it.
        en: English words, the first for captions.
        zh: Chinese words, the first for captions.
        weak: yields to another entry of its slot in the same prompt.
        oklab: of colours; None where the word has no single value.
    """

    key: str
    names: tuple[str, ...]
    en: tuple[str, ...]
    zh: tuple[str, ...]
    weak: bool = False
    oklab: Oklab | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a term stands for.

    Attributes:
        role: a slot, 'colour', 'modifier' or a table of `other.toml`.
        key: of the entry; empty for the tables of `other.toml`, which are only lists.
    """

    role: str
    key: str


@dataclass(frozen=True, slots=True)
class Modifier:
    """A shift of colour in OKLab.

    Attributes:
        lightness: share of the way to white (> 0) or black (< 0).
        chroma: factor of a and b.
    """

    lightness: float
    chroma: float


@dataclass(frozen=True, slots=True)
class General:
    """A category's general words ('shoes'), which yield to its `kinds` and become another by usage.

    Attributes:
        terms: the words, as tuples of token forms.
        kinds: categories that are such a thing.
        by_usage: usage -> category that the general word then means.
    """

    terms: frozenset[tuple[str, ...]]
    kinds: frozenset[str]
    by_usage: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All tables.

    Attributes:
        slots: slot -> key -> entry, in the order of values in model packs.
        colours: key -> colour entry.
        modifiers: key -> shift.
        general: category -> its general words.
        terms: token forms -> meanings.
        longest: the number of tokens of the longest term.
        decoys: things we cannot draw, for comparison in guessing.
        values: slot -> key -> the entry's value in networks, from 1.
        own: keys of kinds that were added; their words mean nothing else, nor is a colour in them one (粉底).
    """

    slots: Mapping[str, Mapping[str, Entry]]
    colours: Mapping[str, Entry]
    modifiers: Mapping[str, Modifier]
    general: Mapping[str, General]
    terms: Mapping[tuple[str, ...], tuple[Meaning, ...]]
    longest: int
    decoys: tuple[str, ...]
    values: Mapping[str, Mapping[str, int]]
    own: frozenset[str]


_of_process: dict[str, tuple[Entry, int]] = {}
_of_block: ContextVar[dict[str, tuple[Entry, int]] | None] = ContextVar("own kinds of a block", default=None)


def own_kinds() -> Mapping[str, tuple[Entry, int]]:
    """Kinds that were added to those that ship, with their values; see `packshot.lexicon.kinds`."""
    return _added()


def set_own_kinds(kinds: Mapping[str, tuple[Entry, int]]) -> None:
    """Make these the added kinds of this process or block; only `packshot.lexicon.kinds` and tests have reason to."""
    added = _added()
    if dict(kinds) != added:
        added.clear()
        added.update(kinds)


@contextmanager
def kinds_apart() -> Iterator[None]:
    """In this block, on this thread, only those kinds are added that the block adds, and for no longer."""
    token = _of_block.set({})
    try:
        yield
    finally:
        _of_block.reset(token)


def _added() -> dict[str, tuple[Entry, int]]:
    block = _of_block.get()
    return _of_process if block is None else block


@cache
def shipped_categories() -> Mapping[str, Entry]:
    """The kinds that ship with this version."""
    return {key: _entry(key, row) for key, row in _table("category").items()}


def lexicon() -> Lexicon:
    """The tables that ship with this version and the kinds added to them, read at the first call."""
    return _lexicon(tuple(_added().values()))


@lru_cache(maxsize=8)
def _lexicon(own_kinds: tuple[tuple[Entry, int], ...]) -> Lexicon:
    attributes, other, colour = _table("attributes"), _table("other"), _table("colour")
    slots = {slot: {key: _entry(key, row) for key, row in attributes[slot].items()} for slot in SLOTS[1:]}
    slots = {"category": {**shipped_categories(), **{entry.key: entry for entry, _ in own_kinds}}, **slots}
    values = {slot: {key: place for place, key in enumerate(entries, 1)} for slot, entries in slots.items()}
    values["category"].update({entry.key: value for entry, value in own_kinds})
    modifiers = colour.pop("modifier")
    colours = {key: _entry(key, row) for key, row in colour.items()}
    terms: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    for slot, entries in slots.items():
        for entry in entries.values():
            _add(terms, Meaning(slot, entry.key), (*entry.en, *entry.zh))
    for entry in colours.values():
        with_suffix = (word + "色" for word in entry.zh if not word.endswith("色"))
        _add(terms, Meaning("colour", entry.key), (*entry.en, *entry.zh, *with_suffix))
    for key, row in modifiers.items():
        _add(terms, Meaning("modifier", key), (*row["en"], *row["zh"]))
    for role in _OTHER_ROLES:
        _add(terms, Meaning(role, ""), (*other[role]["en"], *other[role]["zh"]))
    for own, _ in own_kinds:
        terms.update({forms(word): (Meaning("category", own.key),) for word in (*own.en, *own.zh)})
    return Lexicon(
        slots=slots,
        colours=colours,
        modifiers={key: Modifier(row["lightness"], row["chroma"]) for key, row in modifiers.items()},
        general={key: _general(row) for key, row in other["general"].items()},
        terms=terms,
        longest=max(map(len, terms)),
        decoys=(*other["decoy"]["en"], *other["decoy"]["zh"]),
        values=values,
        own=frozenset(entry.key for entry, _ in own_kinds),
    )


def forms(text: str) -> tuple[str, ...]:
    """The token forms of a term."""
    return tuple(token.form for token in tokenise(text))


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__name__).joinpath(f"{name}.toml").read_text("utf-8"))


def _entry(key: str, row: Mapping[str, Any]) -> Entry:
    value: Oklab | None = None
    if "oklab" in row:
        value = (row["oklab"][0], row["oklab"][1], row["oklab"][2])
    elif "hex" in row:
        value = oklab_from_hex(row["hex"])
    names = tuple(name.casefold() for name in row.get("names", ()))
    return Entry(key, names, tuple(row["en"]), tuple(row["zh"]), row.get("weak", False), value)


def _general(row: Mapping[str, Any]) -> General:
    words = (*row["en"], *row["zh"])
    return General(frozenset(map(forms, words)), frozenset(row["kinds"]), row["by_usage"])


def _add(terms: dict[tuple[str, ...], tuple[Meaning, ...]], meaning: Meaning, words: Iterable[str]) -> None:
    for word in words:
        key = forms(word)
        known = terms.get(key, ())
        if meaning not in known:
            terms[key] = (*known, meaning)


def oklab_from_hex(code: str) -> Oklab:
    """'#rgb' or '#rrggbb' (CSS Color Module Level 4, section 5.2) -> OKLab."""
    digits = code.lstrip("#")
    if len(digits) == 3:
        digits = "".join(d * 2 for d in digits)
    lab = oklab_from_srgb(np.frombuffer(bytes.fromhex(digits), np.uint8))
    return float(lab[0]), float(lab[1]), float(lab[2])
