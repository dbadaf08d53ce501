"""The pictures that a product gets on a channel: a table that users may override. Knows no rules of channels."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from packshot.errors import RequestError

ROLES = ("main", "colourway", "detail", "size", "scene")
"""What a picture is for, in the order in which a set shows them."""

FORMS = ("jpg", "png", "webp")
_DEFAULT = "default"
_MOST = 20


@dataclass(frozen=True, slots=True)
class PictureSet:
    """A channel's set.

    Attributes:
        channel: its name, or `default`.
        counts: how many pictures at the most, by role; roles with none are left out.
        form: ending of the files.
    """

    channel: str
    counts: Mapping[str, int]
    form: str


def load_sets(own: Path | None = None) -> dict[str, PictureSet]:
    """Sets by channel: those that ship, replaced or joined by the user's own.

    Raises:
        RequestError: the user's file can't be read, or has something unknown in it.
    """
    shipped = tomllib.loads(resources.files(__package__).joinpath("sets.toml").read_text("utf-8"))
    sets = {channel: _checked(channel, table, "sets.toml") for channel, table in shipped.items()}
    if own is not None:
        sets |= {channel: _checked(channel, table, str(own)) for channel, table in _read(own).items()}
    return sets


def set_of(channel: str, sets: Mapping[str, PictureSet]) -> PictureSet:
    """A channel's set; `default` for one without a set of its own."""
    return sets.get(channel, sets[_DEFAULT])


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise RequestError(path, error.strerror or str(error), "a TOML file of sets") from None
    except ValueError as error:  # of TOML or of UTF-8
        raise RequestError(path, f"no TOML ({error})", "TOML such as [shopify] with main = 1") from None


def _checked(channel: str, table: object, where: str) -> PictureSet:
    if not isinstance(table, dict):
        raise RequestError(where, f"'{channel}' outside a table", f"[{channel}] with roles below it")
    for key in table:
        if key not in (*ROLES, "form"):
            near = difflib.get_close_matches(key, (*ROLES, "form"), 1)
            hint = f"{near[0]}, or any of " if near else ""
            raise RequestError(f"{where} [{channel}]", f"'{key}'", f"{hint}{', '.join((*ROLES, 'form'))}")
    counts = {role: table[role] for role in ROLES if role in table}
    for role, count in counts.items():
        if type(count) is not int or not 0 <= count <= _MOST:
            raise RequestError(f"{where} [{channel}] {role}", repr(count), f"0 to {_MOST} pictures")
    if counts.get("main", 0) > 1:
        raise RequestError(f"{where} [{channel}] main", counts["main"], "0 or 1: a listing has one main picture")
    if (form := table.get("form", FORMS[0])) not in FORMS:
        raise RequestError(f"{where} [{channel}] form", repr(form), ", ".join(FORMS))
    return PictureSet(channel, {role: count for role, count in counts.items() if count}, form)
