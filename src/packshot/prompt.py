"""Text in Chinese, English or both -> what it asks for. Knows words and colours, nothing of pictures or models.

How a prompt is read: it is split into known terms (`lexicon/matching.py`). The product is the last one named in the
first phrase that names any; in English, prepositions end a phrase ('a watch with a belt' is a watch), punctuation does
in both languages. General words yield to exact ones ('backpack bag'). Where no product is named, the nearest unknown
word may be guessed (`lexicon/guessing.py`). Of each other slot the first word counts; words inside a product's name
('leather shoes') count where nothing else, or only praise such as 'trendy', is said.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.embedding import EMBEDDING_LENGTH, embed
from packshot.errors import RequestError
from packshot.lexicon import SLOTS, Lexicon, lexicon
from packshot.lexicon.captions import captions
from packshot.lexicon.colours import MOST_COLOURS, Colour, colour_after, colour_of_name, colours_said, hex_of
from packshot.lexicon.guessing import guess_category
from packshot.lexicon.matching import Span, parts_of, segment
from packshot.lexicon.tokens import normalise

__all__ = [
    "EMBEDDING_LENGTH",
    "MAX_CHARACTERS",
    "SLOTS",
    "Colour",
    "Prompt",
    "captions",
    "colour_of_name",
    "colour_vector_of",
    "embed",
    "entry_for_catalogue_name",
    "parse",
    "slot_index",
    "slot_size",
]

MAX_CHARACTERS = 500
_ACCEPTED = (
    "a product such as 'red running shoes' or '红色跑鞋', watch 手表, handbag 手提包, "
    "backpack 双肩包, sunglasses 太阳镜, perfume 香水"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it was understood. None in a slot means it was not said.

    Attributes:
        text: as given.
        category: key of the entry, and so on for the other slots.
        usage: see category.
        gender: see category.
        material: see category.
        style: see category.
        colours: at most two, in order of mention.
        unknown: words without meaning to us.
        guessed: words whose meaning was inferred by embedding, as 'word ~ entry'.
        ignored: words understood that change nothing because their place is taken: a second product, a third colour,
            a background.
    """

    text: str
    category: str | None = None
    usage: str | None = None
    gender: str | None = None
    material: str | None = None
    style: str | None = None
    colours: tuple[Colour, ...] = ()
    unknown: tuple[str, ...] = ()
    guessed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def slot_values(self) -> tuple[int, ...]:
        """The values of `SLOTS`, in their order; 0 = not said."""
        return tuple(slot_index(slot, getattr(self, slot)) for slot in SLOTS)

    def colour_vector(self) -> NDArray[np.float32]:
        """(8,): `[1, L, a, b, 1, L2, a2, b2]`, zeros where a colour was not said."""
        return colour_vector_of([colour.oklab for colour in self.colours])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain: dict[str, Any] = {"text": self.text, **{slot: getattr(self, slot) for slot in SLOTS}}
        plain["colours"] = [
            {"name": c.name, "word": c.word, "hex": hex_of(c.oklab), "oklab": [round(v, 4) for v in c.oklab]}
            for c in self.colours
        ]
        return plain | {name: list(getattr(self, name)) for name in ("unknown", "guessed", "ignored")}

    def in_english(self) -> str:
        """What was understood as one English phrase, for labels where Chinese cannot be drawn."""
        words = lexicon().slots
        said = {slot: words[slot][key].en[0] for slot in SLOTS if (key := getattr(self, slot)) is not None}
        colours = " and ".join(colour.name for colour in self.colours)
        parts = [said.get("gender", ""), said.get("style", ""), colours, said.get("material", "")]
        product = said.get("category", "product")
        parts += [usage] if (usage := said.get("usage", "")) not in product.split() else []
        return " ".join(part for part in [*parts, product] if part)

    def explain(self) -> str:
        """Several lines for people: what was understood, and what was not."""
        words = lexicon()
        lines: list[tuple[str, str]] = []
        for slot in SLOTS:
            key = getattr(self, slot)
            if key is not None:
                entry = words.slots[slot][key]
                lines.append((slot, f"{entry.en[0]} ({entry.zh[0]})"))
        lines += [("colour", f"{c.name} {hex_of(c.oklab)} (from '{c.word}')") for c in self.colours]
        if self.category is None:
            lines.append(("category", "not said"))
        titles = {"guessed": "guessed", "ignored": "without effect", "unknown": "not understood"}
        lines += [(title, ", ".join(getattr(self, name))) for name, title in titles.items() if getattr(self, name)]
        return "\n".join(f"{title + ':':<16}{value}" for title, value in lines)


def parse(text: str, *, guess: bool = True) -> Prompt:
    """Understand a prompt.

    Args:
        text: 1 to `MAX_CHARACTERS` characters.
        guess: ask the sentence encoder (about a second, once) about unknown words where no product was named.

    Raises:
        RequestError: it is blank, too long, no text, or nothing of it is understood.
    """
    _check(text)
    words = lexicon()
    spans = segment(normalise(text), words)
    head = _head(spans, words)
    category, guessed = _category(spans, head, words), ""
    unknown = _unknown(spans)
    if category is None and guess:
        found = guess_category(_candidates(spans))
        if found is not None:
            category, guessed = found.category, f"{found.word} ~ {words.slots['category'][found.category].en[0]}"
            unknown = [word for word in unknown if word not in (found.word, *found.word.split())]
    colours, ignored = colours_said(spans, _names(spans, head), words)
    ignored = [span.text for span in _other_products(spans, head, category, words)] + ignored
    attributes = [_attribute(slot, spans, head, words) for slot in SLOTS[1:]]
    ignored += [word for _, passed_over in attributes for word in passed_over]
    usage, gender, material, style = (key for key, _ in attributes)
    if not (category or colours or ignored or usage or gender or material or style):
        raise RequestError("prompt", f"no word that is understood in '{_shortened(text)}'", _ACCEPTED)
    return Prompt(
        text,
        category,
        usage,
        gender,
        material,
        style,
        colours=tuple(colours),
        unknown=_unique(unknown),
        guessed=(guessed,) if guessed else (),
        ignored=_unique(ignored),
    )


def slot_size(slot: str) -> int:
    """How many values a slot has, with 0 for 'not said'.

    Raises:
        KeyError: no such slot.
    """
    return max(lexicon().values[slot].values()) + 1


def slot_index(slot: str, entry_key: str | None) -> int:
    """The value of an entry: 1 + its position in its table, or an own kind's value; 0 for None.

    Raises:
        KeyError: no such slot or entry.
    """
    values = lexicon().values[slot]
    if entry_key is None:
        return 0
    if entry_key not in values:
        raise KeyError(f"{slot}.{entry_key}")
    return values[entry_key]


def entry_for_catalogue_name(slot: str, name: str) -> str | None:
    """The entry that a value of a catalogue's own column stands for ('Running Shoes'), None where there is none.

    Raises:
        KeyError: no such slot.
    """
    wanted = name.strip().casefold()
    return next((entry.key for entry in lexicon().slots[slot].values() if wanted in entry.names), None)


def colour_vector_of(colours: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """OKLab rows, of which the first two count -> the (8,) vector of the networks. A share may follow in a row."""
    vector = np.zeros(8, np.float32)
    for index, colour in enumerate(colours[:MOST_COLOURS]):
        vector[4 * index : 4 * index + 4] = 1.0, *colour[:3]
    return vector


def _check(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise RequestError("prompt", f"{len(text):,} characters", f"1 to {MAX_CHARACTERS} characters")
    if any(unicodedata.category(character) == "Cs" for character in text):
        raise RequestError("prompt", "bytes that are not text", "a description as Unicode text (UTF-8)")
    if not text.strip():
        raise RequestError("prompt", "no words", _ACCEPTED)


def _shortened(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 40 else plain[:39] + "…"


def _unique(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _head(spans: Sequence[Span], words: Lexicon) -> Span | None:
    """The span that names the product; see the module's docstring."""
    phrase: list[Span] = []
    for span in spans:
        if span.kind == "stop" or span.key("preposition") is not None:
            if phrase:
                break
        elif span.key("category") is not None:
            phrase.append(span)
    if not phrase:
        return None
    last = phrase[-1]
    general = words.general.get(last.key("category") or "")
    if general is not None and last.forms in general.terms:
        exact = [s for s in phrase if s.key("category") in general.kinds and s.forms not in general.terms]
        return exact[-1] if exact else last
    return last


def _category(spans: Sequence[Span], head: Span | None, words: Lexicon) -> str | None:
    """The product's entry; a general word takes the usage into account ('sporty shoes')."""
    if head is None:
        return None
    category = head.key("category")
    general = words.general.get(category or "")
    if general is not None and head.forms in general.terms:
        usage, _ = _attribute("usage", spans, head, words)
        return general.by_usage.get(usage or "", category)
    return category


def _names(spans: Sequence[Span], head: Span | None) -> list[Span]:
    """The product's name: the head, then what is said of it just before by another product ('leather belt' bag)."""
    if head is None:
        return []
    at = next(index for index, span in enumerate(spans) if span is head)
    before = spans[at - 1] if at > 0 else None
    return [head] if before is None or before.key("category") is None else [head, before]


def _other_products(spans: Sequence[Span], head: Span | None, category: str | None, words: Lexicon) -> list[Span]:
    """Products named beside the head. A general word for it ('backpack bag') or one with a second sense is none."""
    found: list[Span] = []
    for span in spans:
        key = span.key("category")
        if head is None or span is head or key in (None, category) or len(span.meanings) > 1:
            continue
        general = words.general.get(key or "")
        if general is None or span.forms not in general.terms or category not in general.kinds:
            found.append(span)
    return found


def _unknown(spans: Sequence[Span]) -> list[str]:
    unknown: list[str] = []
    for index, span in enumerate(spans):
        loose = not span.meanings and span.kind in ("word", "han")
        lone_modifier = span.key("modifier") is not None and colour_after(spans, index) is None
        only_modifier = lone_modifier and all(m.role == "modifier" for m in span.meanings)
        if loose or only_modifier or span.key("elsewhere") is not None:
            unknown.append(span.text)
    return unknown


def _candidates(spans: Sequence[Span]) -> list[str]:
    """Words that may be guessed: those without meaning, and neighbouring ones in English together ('fanny pack')."""
    loose = [span.text for span in spans if not span.meanings and span.kind in ("word", "han")]
    runs: list[str] = []
    run: list[str] = []
    for span in (*spans, None):
        if span is not None and span.kind == "word" and not span.meanings:
            run.append(span.text)
            continue
        if len(run) > 1:
            runs.append(" ".join(run))
        run = []
    return list(dict.fromkeys((*loose, *runs)))


def _attribute(slot: str, spans: Sequence[Span], head: Span | None, words: Lexicon) -> tuple[str | None, list[str]]:
    """The first strong entry of a slot, else one in the product's name, else the first weak one; and words left out."""
    said = [(key, span) for span in spans if (key := span.key(slot)) is not None]
    entries = words.slots[slot]
    strong = [key for key, _ in said if not entries[key].weak]
    parts = [m.key for name in _names(spans, head) for m in parts_of(name, words) if m.role == slot]
    chosen = next(iter((*strong, *parts, *(key for key, _ in said))), None)
    left_out = [s.text for key, s in said if key != chosen and len(s.meanings) == 1 and not entries[key].weak]
    return chosen, left_out
