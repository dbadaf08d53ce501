"""The colours of a prompt: words, modifiers and hex codes -> OKLab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from packshot.colour import oklab_from_srgb, srgb_from_oklab
from packshot.lexicon import Entry, Lexicon, Modifier, Oklab, forms, lexicon, oklab_from_hex
from packshot.lexicon.matching import Span, parts_of
from packshot.lexicon.tokens import normalise

MOST_COLOURS = 2
_LINKS = frozenset("和与及跟配带有")
_NUMERALS = frozenset("一两二三几")


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour that was asked for.

    Attributes:
        name: its entry's English word, with the modifier ('light red'), or the hex code.
        word: as typed.
        oklab: L in [0, 1], a and b about [-0.4, 0.4].
    """

    name: str
    word: str
    oklab: Oklab


def colour_entry(name: str, words: Lexicon) -> Entry | None:
    """The colour that a catalogue's or any known word names, None where there is none."""
    named = next((e for e in words.colours.values() if name.strip().casefold() in e.names), None)
    if named is not None:
        return named
    meanings = words.terms.get(forms(normalise(name)), ())
    return next((words.colours[m.key] for m in meanings if m.role == "colour"), None)


def colour_of_name(name: str) -> Colour | None:
    """The colour a catalogue's colour word ('Navy Blue') or any known word for one stands for.

    None where it is unknown or has no single value ('Multi').
    """
    entry = colour_entry(name, lexicon())
    return None if entry is None or entry.oklab is None else Colour(entry.en[0], name, entry.oklab)


def hex_of(oklab: Oklab) -> str:
    """OKLab -> '#rrggbb'."""
    return "#" + bytes(srgb_from_oklab(np.asarray(oklab, np.float32))).hex()


def colours_said(spans: Sequence[Span], names: Sequence[Span], words: Lexicon) -> tuple[list[Colour], list[str]]:
    """The first two colours said, else those inside the product's name; and words that have no effect.

    In Chinese a part may come before the product: 金色表盘的黑色手表 is a black watch, its second colour is gold.

    Args:
        spans: of the whole prompt.
        names: those of them that name the product.
        words: the lexicon.
    """
    found: list[Colour] = []
    of_parts: list[Colour] = []
    ignored: list[str] = []
    for index, span in enumerate(spans):
        if span.kind == "hex":
            found.append(Colour(span.forms[0], span.text, oklab_from_hex(span.forms[0])))
        key = span.key("colour")
        if key is None or colour_after(spans, index) is not None:
            continue
        entry, modifiers = words.colours[key], _modifiers_before(spans, index)
        typed = _typed(modifiers, span)
        if entry.oklab is None or _is_background(spans, index):
            ignored.append(typed)
        else:
            keys = [modifier.key("modifier") or "" for modifier in modifiers]
            value = reduce(_shifted, (words.modifiers[key] for key in keys), entry.oklab)
            colour = Colour(" ".join((*keys, entry.en[0])), typed, value)
            (of_parts if _is_of_a_part(spans, index) else found).append(colour)
    found = found + of_parts or _inside(names, words)
    distinct = list({colour.name: colour for colour in reversed(found)}.values())[::-1]
    return distinct[:MOST_COLOURS], ignored + [colour.word for colour in distinct[MOST_COLOURS:]]


def _inside(names: Sequence[Span], words: Lexicon) -> list[Colour]:
    """Colours within names of the product: 小白鞋 are white."""
    parts = ((words.colours[m.key], name.text) for name in names for m in parts_of(name, words) if m.role == "colour")
    return [Colour(entry.en[0], text, entry.oklab) for entry, text in parts if entry.oklab is not None]


def colour_after(spans: Sequence[Span], index: int) -> Span | None:
    """The colour that the modifier at `index` belongs to; modifiers may be stacked ('very pale dusty pink')."""
    if spans[index].key("modifier") is None:
        return None
    while index < len(spans) and spans[index].key("modifier") is not None:
        index += 1
    return spans[index] if index < len(spans) and spans[index].key("colour") is not None else None


def _modifiers_before(spans: Sequence[Span], index: int) -> list[Span]:
    start = index
    while start > 0 and spans[start - 1].key("modifier") is not None:
        start -= 1
    return list(spans[start:index])


def _typed(modifiers: Sequence[Span], span: Span) -> str:
    return ("" if span.kind == "han" else " ").join(s.text for s in (*modifiers, span))


def _is_background(spans: Sequence[Span], index: int) -> bool:
    """Whether the colour at `index` is the background's: 'on a grey background', 灰色的背景."""
    index += 1
    while index < len(spans) and spans[index].text in ("的", "colour", "color", "coloured", "colored"):
        index += 1
    return index < len(spans) and spans[index].key("background") is not None


def _is_of_a_part(spans: Sequence[Span], index: int) -> bool:
    """Whether the colour at `index` stands with a noun in a clause that ends with 的, ahead of the product's own."""
    start = index
    while start > 0 and spans[start - 1].text != "的":
        start -= 1
    end = next((i for i in range(index, len(spans)) if spans[i].text == "的"), None)
    if end is None:
        return False
    after = any(span.kind == "han" and span.text not in _LINKS and not _tints(span) for span in spans[index:end])
    before = any(
        len(span.text) > 1 and span.text[0] not in _NUMERALS and _names_thing(span) for span in spans[start:index]
    )
    return after or before


def _tints(span: Span) -> bool:
    return span.key("colour") is not None or span.key("modifier") is not None


def _names_thing(span: Span) -> bool:
    return span.kind == "han" and {m.role for m in span.meanings} <= {"filler", "category"}


def _shifted(oklab: Oklab, modifier: Modifier) -> Oklab:
    """Apply a modifier, then come back into sRGB."""
    lightness, a, b = oklab
    room = 1.0 - lightness if modifier.lightness > 0 else lightness
    wanted = (lightness + modifier.lightness * room, a * modifier.chroma, b * modifier.chroma)
    lab = oklab_from_srgb(srgb_from_oklab(np.asarray(wanted, np.float32)))
    return float(lab[0]), float(lab[1]), float(lab[2])
