"""Changing what a prompt asks for by changing its words, one thing at a time, and reading it again to be sure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from packshot.errors import RequestError
from packshot.lexicon import SLOTS, Entry, Lexicon, lexicon
from packshot.lexicon.colours import MOST_COLOURS, hex_of
from packshot.lexicon.matching import Span, segment
from packshot.lexicon.tokens import normalise
from packshot.prompt import Colour, Prompt, parse

Language = Literal["en", "zh"]
_HAN = re.compile(r"[\u3400-\u9fff]")
_AND = r"(?:\s+and\s+|\s*[和与及&]\s*)"
_HEX = re.compile(r"#[0-9a-f]{6}")
_POSSESSIVE = {"men": "men's", "women": "women's", "boys": "boys'", "girls": "girls'"}


@dataclass(frozen=True, slots=True)
class Change:
    """Of one thing that a prompt says.

    Attributes:
        slot: one of `SLOTS`, or `colour`.
        value: key of the entry, or `#rrggbb` for a colour; None to say nothing of it.
        place: of the colour, 0 or 1; one past the last adds a colour.
    """

    slot: str
    value: str | None
    place: int = 0


def vocabulary(drawn: Sequence[str] | None) -> dict[str, Any]:
    """All values of slots and colours, with the words that captions use for them.

    Args:
        drawn: categories that can be drawn; None for all.
    """
    words = lexicon()
    slots = {slot: [_shown(entry) for entry in words.slots[slot].values()] for slot in SLOTS}
    for row in slots["category"]:
        row["drawn"] = drawn is None or row["key"] in drawn
    said = [entry for entry in words.colours.values() if entry.oklab is not None]
    colours = [{**_shown(entry), "hex": hex_of(entry.oklab)} for entry in said if entry.oklab is not None]
    return {"slots": slots, "colours": colours}


def reworded(text: str, change: Change, language: Language) -> tuple[str, Prompt]:
    """A prompt that says the same but for one change, and how it is understood.

    The words for it are replaced, taken out or put in; where that is understood otherwise, the whole prompt is said
    anew, in the language, without the words that are not understood.

    Raises:
        RequestError: the prompt is not understood; there is no such slot, value or place; or the product's name itself
            says what is to go ('running' in running shoes).
    """
    words, prompt = lexicon(), parse(text)
    wanted = _wanted(prompt, change, words)
    anew = _anew(wanted, words, language)
    for candidate in (*_edits(prompt, change, words, language), anew):
        candidate = _tidy(candidate)
        try:
            read = parse(candidate, guess=False)
        except RequestError:
            continue
        if _agrees(read, wanted, change, by_name=candidate == anew):
            return candidate, read
    what = "nothing" if change.value is None else f"'{change.value}'"
    raise RequestError(f"change.{change.slot}", what, "what the product's name leaves open; it says this by itself")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be understood."""

    slots: Mapping[str, str | None]
    colours: tuple[str, ...]
    """In hex."""


def _wanted(prompt: Prompt, change: Change, words: Lexicon) -> _Wanted:
    slots = {slot: getattr(prompt, slot) for slot in SLOTS}
    colours = [hex_of(colour.oklab) for colour in prompt.colours]
    if change.slot == "colour":
        if not 0 <= change.place <= min(len(colours), MOST_COLOURS - 1):
            raise RequestError("change.place", change.place, f"0 to {min(len(colours), MOST_COLOURS - 1)}")
        colours[change.place : change.place + 1] = [] if change.value is None else [_hex(change.value, words)]
        return _Wanted(slots, tuple(colours))
    if change.slot not in SLOTS:
        raise RequestError("change.slot", f"'{change.slot[:40]}'", ", ".join((*SLOTS, "colour")))
    if change.value is not None and change.value not in words.slots[change.slot]:
        raise RequestError("change.value", f"'{change.value[:40]}'", ", ".join(words.slots[change.slot]))
    return _Wanted({**slots, change.slot: change.value}, tuple(colours))


def _hex(value: str, words: Lexicon) -> str:
    if _HEX.fullmatch(value):
        return value
    entry = words.colours.get(value)
    if entry is None or entry.oklab is None:
        raise RequestError("change.value", f"'{value[:40]}'", "a colour of the vocabulary, or #rrggbb")
    return hex_of(entry.oklab)


def _agrees(read: Prompt, wanted: _Wanted, change: Change, *, by_name: bool) -> bool:
    """Whether it says what is wanted.

    Another product's name may say more: running shoes are for sports. So may another name of the same (`by_name`).
    """
    if tuple(hex_of(colour.oklab) for colour in read.colours) != wanted.colours:
        return False
    if change.slot == "category":
        return read.category == wanted.slots["category"]
    found = {slot: getattr(read, slot) for slot in SLOTS}
    free = {slot for slot in SLOTS if by_name and slot != change.slot and wanted.slots[slot] is None}
    return all(found[slot] == wanted.slots[slot] for slot in SLOTS if slot not in free)


def _edits(prompt: Prompt, change: Change, words: Lexicon, language: Language) -> Iterator[str]:
    """The text with the words for what changes replaced, taken out or put in."""
    text = normalise(prompt.text)
    if change.slot == "colour":
        old = [prompt.colours[change.place]] if change.place < len(prompt.colours) else []
        places = [at for colour in old if (at := _found(text, colour)) is not None]
    else:
        key = getattr(prompt, change.slot)
        places = [at for at, span in _placed(text, words) if key is not None and span.key(change.slot) == key]
        places = places or ([] if key is None else _within_names(text, words.slots[change.slot][key]))
    if places and change.value is None:
        yield _without(text, places)
    elif places:
        for start, end in reversed(places):
            old_words = text[start:end]
            word = _word(change, words, _language(old_words, language))
            word = f"for {change.value}" if old_words.casefold().startswith("for ") else word
            text = text[:start] + _spaced(word, text[:start], text[end:]) + text[end:]
        yield text
    elif change.value is not None:
        yield from _insertions(text, prompt, change, words, language)


def _without(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Words taken out, with an 'and' before or after them."""
    for start, end in reversed(places):
        before, after = text[:start], text[end:]
        if (link := re.search(_AND + "$", before)) is not None:
            before = before[: link.start()] + " "
        elif (link := re.match(_AND, after)) is not None:
            after = after[link.end() :]
        gap = "" if before and after and _HAN.match(before[-1]) and _HAN.match(after) else " "
        text = before + gap + after
    return text


def _insertions(text: str, prompt: Prompt, change: Change, words: Lexicon, language: Language) -> Iterator[str]:
    if change.slot == "colour" and change.place and (first := _found(text, prompt.colours[0])) is not None:
        end = first[1]
        spoken = _language(text[first[0] : end], language)
        yield f"{text[:end]}{'和' if spoken == 'zh' else ' and '}{_word(change, words, spoken)}{text[end:]}"
    named = [at for at, span in _placed(text, words) if span.key("category") == prompt.category is not None]
    for start, end in named[-1:]:
        word = _word(change, words, _language(text[start:end], language))
        yield text[:start] + _spaced(word, text[:start], text[start:]) + text[start:]
    yield f"{text} {_word(change, words, _language(text, language))}"


def _language(text: str, otherwise: Language) -> Language:
    """Of words that are to be replaced or joined."""
    return "zh" if _HAN.search(text) else "en" if re.search("[A-Za-z]", text) else otherwise


def _placed(text: str, words: Lexicon) -> Iterator[tuple[tuple[int, int], Span]]:
    """Spans of a normalised text with their places in it."""
    cursor = 0
    for span in segment(text, words):
        start = text.find(span.text, cursor)
        cursor = start + len(span.text)
        yield (start, cursor), span


def _within_names(text: str, entry: Entry) -> list[tuple[int, int]]:
    """Where an entry's words stand in the product's name: 'leather' of leather handbag."""
    for word in sorted((*entry.en, *entry.zh), key=len, reverse=True):
        bounds = r"\b" if word.isascii() else ""
        if (found := re.search(f"{bounds}{re.escape(word)}{bounds}", text, re.IGNORECASE)) is not None:
            return [found.span()]
    return []


def _found(text: str, colour: Colour) -> tuple[int, int] | None:
    start = text.find(colour.word)
    return None if start < 0 else (start, start + len(colour.word))


def _word(change: Change, words: Lexicon, language: Language) -> str:
    if change.value is None:
        return ""
    if change.slot == "colour":
        entry = words.colours.get(change.value)
        return change.value if entry is None else _said(entry, language)
    if change.slot == "gender" and language == "en":
        return _POSSESSIVE.get(change.value, words.slots["gender"][change.value].en[0])
    return _said(words.slots[change.slot][change.value], language)


def _spaced(word: str, before: str, after: str) -> str:
    """A word with spaces where letters would run together; Chinese has none."""
    left = " " if before and not before[-1].isspace() and not (_HAN.match(before[-1]) and _HAN.match(word)) else ""
    right = " " if after and not after[0].isspace() and not (_HAN.match(after) and _HAN.match(word[-1])) else ""
    return left + word + right


def _anew(wanted: _Wanted, words: Lexicon, language: Language) -> str:
    """The whole prompt from what is to be understood."""
    said = {slot: words.slots[slot][key] for slot, key in wanted.slots.items() if key is not None}
    names = {hex_of(e.oklab): _said(e, language) for e in words.colours.values() if e.oklab is not None}
    colours = [names.get(colour, f" {colour} ") for colour in wanted.colours]
    product = _said(said["category"], language) if "category" in said else ("商品" if language == "zh" else "product")
    parts = [_said(said[slot], language) if slot in said else "" for slot in ("gender", "style", "usage", "material")]
    gender, style, usage, material = ("" if part in product else part for part in parts)
    if language == "zh":
        return f"{gender}{style}{'和'.join(colours)}{usage}{material}{product}"
    whose = _POSSESSIVE.get(wanted.slots["gender"] or "", gender)
    return " ".join(part for part in (whose, style, " and ".join(colours), usage, material, product) if part)


def _tidy(text: str) -> str:
    text = re.sub(r"\s+([,.;，。；、])", r"\1", " ".join(text.split()))
    return text.strip(" ,;，；、")


def _said(entry: Entry, language: Language) -> str:
    return (entry.zh if language == "zh" else entry.en)[0]


def _shown(entry: Entry) -> dict[str, Any]:
    return {"key": entry.key, "en": entry.en[0], "zh": entry.zh[0]}
