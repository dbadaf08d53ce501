"""A seller's own kinds of product (kettles, phone cases), beside those that ship. They are added once, for the process.

A file of kinds is written as `category.toml` is: a table for each kind, with the words that people type and the
catalogue's own names for it:

    [kettle]
    en = ["kettle", "electric kettle"]
    zh = ["水壶", "电热水壶"]
    names = ["Kettles & Pots"]      # values of the catalogue's category column; left out where `en` and `zh` will do
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packshot import lexicon as tables
from packshot.errors import InputError
from packshot.lexicon import CATEGORY_VALUES, Entry, forms

_KEYS = {"en", "zh", "names"}


def read_kinds(path: Path) -> list[dict[str, Any]]:
    """The kinds of a TOML file as plain values, in its order; see `install_kinds`.

    Raises:
        InputError: it cannot be read, or a kind is not as the module's docstring says.
    """
    try:
        return parse_kinds(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(path, error.strerror or "an unreadable file", "a TOML file of kinds") from None


def parse_kinds(content: bytes, place: str) -> list[dict[str, Any]]:
    """The same of such a file's content, which may have a byte order mark.

    Args:
        content: of the file.
        place: it comes from, for messages.
    """
    try:
        written = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(place, " ".join(str(error).split())[:200], "a TOML file of kinds, in UTF-8") from None
    rows = []
    for key, table in written.items():
        where = f"{place}: [{key[:80]}]"
        if not isinstance(table, dict):
            raise InputError(f"{place}: {key[:80]}", "a value outside a table", "tables such as [kettle]")
        if unknown := sorted(table.keys() - _KEYS):
            raise InputError(where, f"'{unknown[0][:80]}'", ", ".join(sorted(_KEYS)))
        rows.append({"key": key, **{name: table[name] for name in ("en", "zh", "names") if name in table}})
        _checked(rows[-1], where)
    if not rows:
        raise InputError(place, "no kind", "tables such as [kettle]")
    return rows


def install_kinds(rows: Iterable[Mapping[str, Any]], where: str) -> None:
    """Add kinds to the lexicon of this process; those that are there already, with the same words, change nothing.

    Values are given from the last that networks tell apart down, so that those of kinds that ship, today or later,
    stay what they are.

    Args:
        rows: as of `read_kinds`; `value` fixes a kind's value, else the highest that is free is taken.
        where: they come from, for messages.

    Raises:
        InputError: a kind that ships has this name or one of these words, a kind of this name has other words, or there
            are too many.
    """
    added = dict(tables.own_kinds())
    for row in rows:
        entry = _checked(row, where)
        value = int(row.get("value", 0)) or (added[entry.key][1] if entry.key in added else _highest_free(added, where))
        if entry.key in added and added[entry.key] != (entry, value):
            raise InputError(where, f"another kind '{entry.key}' than the one in use", "one kind of a name at a time")
        _refuse_shipped(entry, where)
        added[entry.key] = entry, value
    tables.set_own_kinds(added)


@contextmanager
def only_kinds(rows: Iterable[Mapping[str, Any]], where: str) -> Iterator[None]:
    """In this block, on this thread, these and no others are added to the kinds that ship.

    For programs that serve several packs, whose kinds may have the same names. Arguments and errors are those of
    `install_kinds`.
    """
    with tables.kinds_apart():
        install_kinds(rows, where)
        yield


def own_kinds_as_rows(keys: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The kinds in use as plain values with their `value`, for manifests; only some of them where `keys` are given."""
    wanted = None if keys is None else set(keys)
    return [
        {"key": key, "en": list(entry.en), "zh": list(entry.zh), "names": list(entry.names), "value": value}
        for key, (entry, value) in tables.own_kinds().items()
        if wanted is None or key in wanted
    ]


def _checked(row: Mapping[str, Any], where: str) -> Entry:
    key = str(row["key"])
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", key):
        raise InputError(where, f"the name '{key}'", "small letters, digits and _")
    words: dict[str, tuple[str, ...]] = {}
    for name in ("en", "zh", "names"):
        value = row.get(name, [])
        if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
            raise InputError(where, f"{name} = {value!r}", "a list of words")
        words[name] = tuple(value)
    for language in ("en", "zh"):
        if not words[language]:
            raise InputError(where, f"no words in '{language}'", "at least one, since captions are made in both")
    names = tuple(name.casefold() for name in words["names"] or (*words["en"], *words["zh"]))
    return Entry(key, names, words["en"], words["zh"])


def _highest_free(added: Mapping[str, tuple[Entry, int]], where: str) -> int:
    taken, shipped = {value for _, value in added.values()}, len(tables.shipped_categories())
    for value in range(CATEGORY_VALUES - 1, shipped, -1):
        if value not in taken:
            return value
    raise InputError(where, f"more than {CATEGORY_VALUES - 1 - shipped} kinds", "so many at most")


def _refuse_shipped(entry: Entry, where: str) -> None:
    shipped = tables.shipped_categories()
    if entry.key in shipped:
        raise InputError(where, f"the name '{entry.key}' of a kind that ships", "another name")
    words = {forms(word): word for word in (*entry.en, *entry.zh)}
    for other in shipped.values():
        for word in (*other.en, *other.zh):
            if forms(word) in words:
                raise InputError(where, f"'{word}', a word for {other.key} already", f"{other.key}, or other words")
