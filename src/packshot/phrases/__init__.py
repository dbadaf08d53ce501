"""What packshot says, in other languages. Everything is said, kept and sent in English; a table finds it again.

A line of English travels as it is: in errors, manifests, failures, jobs, logs and certificates, between processes and
machines. Whoever shows it to a Chinese reader asks here. As in gettext, the English is the key; since its numbers and
names are filled in already, a key is a pattern with holes: `"{} separate piece{}" = "{0} 个独立部分"`.

- A hole takes anything, and what it took is looked up in turn: it may be a number, a name or another phrase. Between
  quotes stands what a user wrote, which stays.
- A hole with a name takes one word of that table of `names.toml`, as `{rule}`; `{n}` takes a number, see `TAKES`.
- What is no phrase may be a list of them, with the signs of `_JOINTS` between; else it stays as it is.

`tests/unit/test_phrases.py` reads every message out of the source and insists on its Chinese. This room imports nothing
of packshot.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

HOLE = re.compile(r"\{(\w*)\}")
TAKES = {"n": r"-?(?:[\d.,]*\d(?:e[+-]?\d+)?|inf|nan)", "latin": "[a-z][a-z ]*", "han": "[一-鿿]+", "quoted": "[^']*"}
"""What holes of other names take, to stay as it is: a number; a word that is told in both languages, in English and in
Chinese; what stands between quotes."""
_END = "; "
_JOINTS = ((_END, "；"), (", ", "、"), (" or ", "或"), (" and ", "和"))
_NAMES = re.compile(r"[^\s']+(, [^\s']+)*")
LONGEST = 2_000
"""Characters: a text of a user's may be made to look like many phrases, and matching grows with a power of it."""
_KEPT = 8_192
"""Lines whose Chinese is remembered: verdicts on many pictures say much the same."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase with holes.

    Attributes:
        pattern: of the English line.
        holes: what each takes: a table of names, "" for anything, "'" for what stays.
        text: in Chinese; `{}` for the holes in order, or `{0}`, `{1}`.
        certain: by which of several phrases that fit the one that is meant is known: one that begins with words or a
            name before one that begins with anything, then the one with most characters that are no hole.
        sentences: whether it goes on after a semicolon; no other takes more than one sentence.
    """

    pattern: re.Pattern[str]
    holes: tuple[str, ...]
    text: str
    certain: tuple[bool, int]
    sentences: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """Phrases of a language.

    Attributes:
        whole: those without holes.
        patterns: those with holes that a line of this first character may be, the most certain first; of other
            characters than stand here, "".
        names: tables of names.
    """

    whole: Mapping[str, str]
    patterns: Mapping[str, tuple[_Phrase, ...]]
    names: Mapping[str, Mapping[str, str]]


def in_language(text: str, language: Language) -> str:
    """A line of packshot's in a language; what has no such words, as a number or a name, as it is."""
    return chinese(text) if language == "zh" else text


def with_chinese(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """A document with a member `zh`, in which its texts, or lists of texts, under these keys stand in Chinese."""
    told = {key: _told(document[key]) for key in keys if document.get(key) is not None}
    return {**document, "zh": told}


def _told(value: Any) -> Any:
    return [chinese(str(one)) for one in value] if isinstance(value, list | tuple) else chinese(str(value))


def chinese(text: str) -> str:
    """A line in Chinese; one longer than `LONGEST` is no line of ours, and stays."""
    return text if len(text) > LONGEST else _found(text) or _listed(text)


@lru_cache(maxsize=_KEPT)
def _found(text: str) -> str | None:
    """In Chinese, where it is a phrase or a list of nothing but phrases."""
    table = _table()
    if text in table.whole:
        return table.whole[text]
    phrases = table.patterns.get(text[:1], table.patterns[""])
    if _END in text:
        return _filled(text, (phrase for phrase in phrases if phrase.sentences), table) or _phrases_in(text)
    return _phrases_in(text) or _filled(text, phrases, table)


def _phrases_in(text: str) -> str | None:
    """A list of nothing but phrases."""
    for joint, mark in _JOINTS[:2]:
        said = [_found(part) for part in text.split(joint)] if joint in text else []
        if said and all(said):
            return mark.join(filter(None, said))
    return None


def _filled(text: str, phrases: Iterable[_Phrase], table: _Table) -> str | None:
    """The first phrase that fits, with what its holes took."""

    def said(kind: str, part: str) -> str:
        return (
            table.names[kind].get(part, part)
            if kind in table.names
            else part
            if kind == "'" or kind in TAKES
            else chinese(part)
        )

    for phrase in phrases:
        if (found := phrase.pattern.fullmatch(text)) is not None:
            return put(phrase.text, [said(kind, part) for kind, part in zip(phrase.holes, found.groups(), strict=True)])
    return None


def put(text: str, parts: list[str]) -> str:
    """Fill holes: by their number, or one after the other."""
    rest = iter(parts)
    return HOLE.sub(lambda hole: parts[int(hole[1])] if hole[1] else next(rest), text)


def _listed(text: str) -> str:
    for joint, mark in _JOINTS:
        parts = text.split(joint)
        if len(parts) > 1 and ((said := [chinese(part) for part in parts]) != parts or _named(joint, parts)):
            return mark.join(said)
    return text


def _named(joint: str, parts: list[str]) -> bool:
    """Whether a conjunction stands between names, as in "png, jpg or webp"."""
    return joint.strip().isalpha() and all(map(_NAMES.fullmatch, parts))


@cache
def _table() -> _Table:
    whole: dict[str, str] = {}
    patterns: dict[str, list[_Phrase]] = {}
    folder = resources.files(__package__).joinpath("zh")
    known: dict[str, dict[str, str]] = tomllib.loads(folder.joinpath("names.toml").read_text("utf-8"))
    for english, text in phrases().items():
        if HOLE.search(english):
            patterns.setdefault(english[0] if english[0] != "{" else "", []).append(_phrase(english, text, known))
        else:
            whole[english] = text
    anywhere = patterns.pop("", [])
    ordered = {first: _most_certain([*some, *anywhere]) for first, some in patterns.items()}
    ordered[""] = _most_certain(anywhere)
    return _Table(whole, ordered, known)


def _most_certain(some: list[_Phrase]) -> tuple[_Phrase, ...]:
    return tuple(sorted(some, key=lambda one: one.certain, reverse=True))


def names(kind: str) -> Mapping[str, str]:
    """Chinese by English of names of one kind, as "rule"."""
    return _table().names[kind]


def phrases() -> dict[str, str]:
    """Chinese by English, holes and all.

    Raises:
        ValueError: a phrase stands twice.
    """
    found: dict[str, str] = {}
    for file in sorted(resources.files(__package__).joinpath("zh").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".toml") and file.name != "names.toml":
            table = tomllib.loads(file.read_text("utf-8"))
            if twice := found.keys() & table.keys():
                raise ValueError(f"{file.name}: {sorted(twice)} stand in another file, too")
            found |= table
    return found


def _phrase(english: str, text: str, known: Mapping[str, Mapping[str, str]]) -> _Phrase:
    pattern, holes, end = "", [], 0
    for hole in HOLE.finditer(english):
        before = english[end : hole.start()]
        kind = hole[1] or ("'" if before.endswith("'") and english[hole.end() :].startswith("'") else "")
        words = sorted(known.get(kind, ()), key=len, reverse=True)
        taken = "|".join(map(re.escape, words)) or TAKES.get(kind, ".*?")
        pattern += f"{re.escape(before)}({taken})"
        holes.append(kind)
        end = hole.end()
    certain = (not english.startswith("{}"), len(HOLE.sub("", english)))
    return _Phrase(
        re.compile(pattern + re.escape(english[end:]), re.DOTALL), tuple(holes), text, certain, _END in english
    )
