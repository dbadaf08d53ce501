"""Captions from attributes, in both languages, for training on catalogues whose titles are only English (or none)."""

from __future__ import annotations

import random
from collections.abc import Mapping

from packshot.lexicon import Entry, lexicon
from packshot.lexicon.colours import colour_entry

_EN = (
    "{style} {colour} {usage} {material} {product} {for}",
    "{whose} {colour} {style} {product}, {material}",
    "photo of {style} {product} {for} in {colour}",
)
_ZH = (
    "{whose}{style}{colour}{usage}{material}{product}",
    "{colour}{style}{material}{product}，{whose}",
    "{measure}{whose}{of_colour}{product}，{style}",
)
_CHANCES = {"usage": 0.4, "gender": 0.6, "material": 0.9, "style": 0.9}
"""How often an attribute that is known is said: people rarely say them all."""
_MEASURES = ("一款", "一件", "")
_NAMED = ("usage", "material", "style")
_POSSESSIVE = {"men": "men's", "women": "women's", "boys": "boys'", "girls": "girls'"}


def captions(slots: Mapping[str, str | None], colour_word: str | None, *, key: str) -> dict[str, list[str]]:
    """Two or three captions in each language, from the first words of the lexicon.

    Args:
        slots: entry keys by slot; missing and None are not said. Without a category the product is 'product' / 商品.
        colour_word: a catalogue's or any known colour word; an unknown one stays as it is in English and is
            not said in Chinese.
        key: the product's id; the same key gives the same captions.

    Returns:
        `{"en": [...], "zh": [...]}`, without repetition.

    Raises:
        KeyError: an entry that its slot has not.
    """
    words = lexicon()
    dice = random.Random(f"captions {key}")
    entries = {slot: words.slots[slot][value] for slot, value in slots.items() if value is not None}
    colour = None if colour_word is None else colour_entry(colour_word, words)
    en_colour = colour.en[0] if colour is not None else (colour_word or "").strip().casefold()
    said = {slot: dice.random() < chance for slot, chance in _CHANCES.items()}
    shown = {slot: entry for slot, entry in entries.items() if said.get(slot, True)}
    order = dice.sample(range(3), 3)
    english = [_english(_EN[i], shown, en_colour) for i in order]
    chinese = [
        _chinese(_ZH[i], shown, colour.zh[0] if colour is not None else "", dice.choice(_MEASURES)) for i in order
    ]
    return {"en": list(dict.fromkeys(english)), "zh": list(dict.fromkeys(chinese))}


def _english(pattern: str, entries: Mapping[str, Entry], colour: str) -> str:
    product = entries["category"].en[0] if "category" in entries else "product"
    gender = entries.get("gender")
    values = {slot: _unless_in(product, entries[slot].en[0]) if slot in entries else "" for slot in _NAMED}
    values |= {"product": product, "colour": colour, "whose": "", "for": ""}
    if gender is not None:
        values["whose"] = _POSSESSIVE.get(gender.key, gender.en[0])
        values["for"] = f"for {gender.en[0]}" if gender.key in _POSSESSIVE else ""
    text = " ".join(pattern.format(**values).split()).replace(" ,", ",").rstrip(", ")
    return text.removesuffix(" in") if not colour else text


def _chinese(pattern: str, entries: Mapping[str, Entry], colour: str, measure: str) -> str:
    product = entries["category"].zh[0] if "category" in entries else "商品"
    values = {slot: _unless_in(product, entries[slot].zh[0]) if slot in entries else "" for slot in _NAMED}
    values["whose"] = entries["gender"].zh[0] if "gender" in entries else ""
    values |= {"product": product, "colour": colour, "of_colour": f"{colour}的" if colour else "", "measure": measure}
    return pattern.format(**values).strip("，")


def _unless_in(product: str, word: str) -> str:
    """An attribute that the product's name already says is not said twice ('casual casual shoes')."""
    return "" if word in product else word
