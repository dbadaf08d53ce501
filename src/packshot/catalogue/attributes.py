"""What a catalogue's row says about its product, in the lexicon's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packshot.errors import RequestError
from packshot.prompt import MAX_CHARACTERS, SLOTS, Prompt, captions, entry_for_catalogue_name, parse

NOTHING = frozenset({"na", "n/a", "nan", "none", "null", "-", "无", "其他", "其它", "other"})
"""What tables hold in place of a colour."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of one row.

    Attributes:
        slots: lexicon entry by slot, None where nothing is said; `category` is always said.
        title: the seller's, or empty.
        colour_word: the seller's, or empty.
        captions: by language.
    """

    slots: Mapping[str, str | None]
    title: str
    colour_word: str
    captions: Mapping[str, tuple[str, ...]]


def attributes_of(values: Mapping[str, str]) -> Attributes | None:
    """Understand a row's columns; None where its category is not in the lexicon.

    Category, gender, usage and colour come from their columns where the catalogue has them, because titles mention
    other products too ("shoe care kit"); without a column they come from the title, as material and style always do.

    Args:
        values: text by meaning, see `rows.MEANINGS`; `id` is among them.
    """
    said = understood(values.get("title") or values.get("text", ""))
    named = values.get("category")
    category = category_named(named) if named else getattr(said, "category", None)
    if category is None:
        return None
    slots: dict[str, str | None] = {"category": category}
    for slot in SLOTS[1:]:
        in_title: str | None = None if said is None else getattr(said, slot)
        slots[slot] = entry_for_catalogue_name(slot, values[slot]) if slot in values else in_title
    colour_word = values.get("colour", said.colours[0].word if said and said.colours else "")
    if colour_word.casefold() in NOTHING:
        colour_word = ""
    made = {language: tuple(texts) for language, texts in captions(slots, colour_word, key=values["id"]).items()}
    return Attributes(slots, values.get("title", ""), colour_word, _with_text(made, values.get("text", "")))


def category_named(name: str) -> str | None:
    """The entry for a category column's word: a seller's term, or words that are understood without rest."""
    entry = entry_for_catalogue_name("category", name)
    if entry is not None:
        return entry
    said = understood(name)
    return said.category if said and not said.unknown and not said.ignored else None


def understood(text: str) -> Prompt | None:
    """A title as a prompt, without guessing; None where nothing of it is understood."""
    try:
        return parse(text[:MAX_CHARACTERS], guess=False)
    except RequestError:
        return None


def _with_text(made: Mapping[str, tuple[str, ...]], text: str) -> Mapping[str, tuple[str, ...]]:
    """The seller's own caption beside the made ones, under its language."""
    if not text:
        return made
    language = "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"
    return {**made, language: (*made.get(language, ()), text)}
