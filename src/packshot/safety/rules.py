"""The lists as data: `safety.toml`, and an operator's file after it. Knows no text and no picture."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from packshot.errors import InputError

FORMAT = 1
CATEGORIES: Mapping[str, str] = {
    "brands": "a brand",
    "people": "a real person",
    "sexual": "sexual content",
    "minors": "sexualised minors",
    "weapons": "a weapon",
    "drugs": "a drug",
    "hate": "a symbol of hate",
}
"""Tables of entries, and what an entry of them is called."""
PICTURES = ("when installed", "required", "off")
"""What is done about pictures: looked at where the classifier is installed, always, never."""
_SETTINGS = ("format", "pictures", "threshold", "log_text", "allow", "remove")
_FIELDS = ("names", "common", "with", "except")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is refused under one key.

    Attributes:
        category: key of `CATEGORIES`.
        key: unique in its category.
        names: spellings that are always refused.
        common: spellings with another meaning, refused in context alone.
        contexts: names of the contexts for these.
        exceptions: phrases in which no name is meant.
    """

    category: str
    key: str
    names: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()

    def joined(self, other: Entry) -> Entry:
        """This entry with what another says beside it."""

        def both(mine: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(mine + more))

        return replace(
            self,
            names=both(self.names, other.names),
            common=both(self.common, other.common),
            contexts=both(self.contexts, other.contexts),
            exceptions=both(self.exceptions, other.exceptions),
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All that is refused, and how.

    Attributes:
        entries: by category and key.
        contexts: words by name of the context.
        allowed: keys of entries that are found and let pass.
        pictures: one of `PICTURES`.
        threshold: of the classifier, from which on a picture is refused.
        log_text: whether refused words go into the log.
    """

    entries: Mapping[tuple[str, str], Entry] = field(default_factory=dict)
    contexts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    pictures: str = PICTURES[0]
    threshold: float = 0.8
    log_text: bool = False


@cache
def shipped() -> Rules:
    """Our own lists."""
    text = resources.files(__name__.rpartition(".")[0]).joinpath("safety.toml").read_text("utf-8")
    return _extended(Rules(), tomllib.loads(text), "safety.toml")


def load_rules(own: str, where: str) -> Rules:
    """Our lists, and an operator's after them.

    Args:
        own: text of the operator's TOML file; empty for none.
        where: its name, for errors.

    Raises:
        InputError: it is no TOML, or says what is not known.
    """
    try:
        return _extended(shipped(), tomllib.loads(own), where)
    except tomllib.TOMLDecodeError as error:
        raise InputError(where, f"no TOML ({error})", "a safety file; see docs/safety.md") from None


def _extended(rules: Rules, table: Mapping[str, Any], where: str) -> Rules:
    _known(table, (*_SETTINGS, "contexts", *CATEGORIES), where)
    if table.get("format", FORMAT) != FORMAT:
        raise InputError(where, f"format {table['format']}", str(FORMAT))
    contexts = dict(rules.contexts)
    for name, words in _table(table, "contexts", where).items():
        contexts[name] = (*contexts.get(name, ()), *_words(words, f"{where}: contexts.{name}"))
    entries = _without(rules.entries, table, where)
    for category in CATEGORIES:
        for key, row in _table(table, category, where).items():
            entry = _entry(category, key, row, contexts, f"{where}: {category}.{key}")
            before = entries.get((category, key))
            entries[category, key] = entry if before is None else before.joined(entry)
    keys = {key for _, key in entries}
    allowed = [_among(key, keys, f"{where}: allow") for key in _words(table.get("allow", []), f"{where}: allow")]
    return replace(
        rules,
        entries=entries,
        contexts=contexts,
        allowed=rules.allowed | set(allowed),
        pictures=_among(table.get("pictures", rules.pictures), PICTURES, f"{where}: pictures"),
        threshold=_share(table.get("threshold", rules.threshold), f"{where}: threshold"),
        log_text=_truth(table.get("log_text", rules.log_text), f"{where}: log_text"),
    )


def _without(
    entries: Mapping[tuple[str, str], Entry], table: Mapping[str, Any], where: str
) -> dict[tuple[str, str], Entry]:
    """The entries but those that the table removes, by key or whole category."""
    known = {*CATEGORIES, *(key for _, key in entries)}
    gone = {_among(word, known, f"{where}: remove") for word in _words(table.get("remove", []), f"{where}: remove")}
    return {place: entry for place, entry in entries.items() if not gone & set(place)}


def _entry(category: str, key: str, row: object, contexts: Iterable[str], where: str) -> Entry:
    if isinstance(row, list):
        row = {"names": row}
    if not isinstance(row, dict):
        raise InputError(where, repr(row), f"a list of spellings, or a table of {', '.join(_FIELDS)}")
    _known(row, _FIELDS, where)
    names, common, with_, exceptions = (_words(row.get(name, []), f"{where}.{name}") for name in _FIELDS)
    if not names and not common:
        raise InputError(where, "no spelling", "names or common")
    for context in with_:
        _among(context, contexts, f"{where}.with")
    return Entry(category, key, names, common, with_, exceptions)


def _known(row: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    for key in row:
        _among(key, keys, where)


def _among(word: object, accepted: Iterable[str], where: str) -> str:
    names = sorted(accepted)
    if not isinstance(word, str) or word not in names:
        near = difflib.get_close_matches(str(word), names, 1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        listed = ", ".join(names) if len(names) < 30 else f"one of the {len(names)} keys of safety.toml and this file"
        raise InputError(where, f"'{word}'{meant}", listed)
    return word


def _table(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise InputError(f"{where}: {key}", "no table", f"[{key}]")
    return found


def _words(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        raise InputError(where, repr(value), "a list of words")
    return tuple(value)


def _share(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(where, repr(value), "0 to 1")
    return float(value)


def _truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(where, repr(value), "true or false")
    return value
