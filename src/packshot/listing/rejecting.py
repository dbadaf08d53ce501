"""What people reject: lists of keys read, and what they mean for the pictures of a run. Changes no file.

A rejected picture is taken out and not made again; it stands in the failures. One that is made anew gets another seed
and another key, so that equal keys stay equal pictures; which keys were given up is kept in `remade.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packshot.errors import InputError, RequestError
from packshot.listing.plan import PlannedPicture

REMADE = "remade.jsonl"
REJECTED = "rejected"
"""Kind of the failures' line of a rejected picture."""

Line = dict[str, Any]

_KEY = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True, slots=True)
class Orders:
    """What a person wants of pictures that were looked at: reasons, maybe empty, by key or by a key's beginning.

    Attributes:
        reject: pictures to take out.
        remake: pictures to make anew.
    """

    reject: Mapping[str, str] = field(default_factory=dict)
    remake: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What the orders come to.

    Attributes:
        planned: pictures as they are to be.
        kept: the manifest's lines that stay, by key.
        failed: the failures' lines that stay, by key; those of rejected pictures among them.
        gone: the manifest's lines whose files are to be removed.
        remade: new lines of `REMADE`.
        said: for people, what could not be done as it was meant.
    """

    planned: list[PlannedPicture]
    kept: dict[str, Line]
    failed: dict[str, Line]
    gone: list[Line]
    remade: list[Line]
    said: list[str]


def read_orders(reject: Path | None, remake: Path | None) -> Orders:
    """The orders in two files, either of which may be missing.

    Raises:
        InputError: a file that can't be read, or a line of another form.
        RequestError: a picture in both.
    """
    orders = Orders(_read(reject) if reject else {}, _read(remake) if remake else {})
    if both := sorted(orders.reject.keys() & orders.remake.keys()):
        raise RequestError("--remake", f"{both[0]}, which --rejected names too", "each picture in one of them")
    return orders


def read_list(data: bytes, where: str) -> dict[str, str]:
    """Reasons by key out of a list: a key, or its first 12 digits or more, and words after it; `#` begins a remark.

    Raises:
        InputError: no UTF-8, or a line that begins otherwise.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(where, "bytes that are not UTF-8", "a text file with a key in each line") from None
    reasons: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, _, reason = line.strip().partition(" ")
        if not key or key.startswith("#"):
            continue
        if not _KEY.fullmatch(key):
            accepted = "a key of the manifest, or its first 12 digits or more, then a reason if you like"
            raise InputError(f"{where}, line {number}", f"'{key[:40]}'", accepted)
        reasons[key] = " ".join(reason.split())
    return reasons


def as_remade(planned: Iterable[PlannedPicture], given_up: Collection[str]) -> list[PlannedPicture]:
    """The pictures that take the place of those whose keys were given up."""
    return [_newest(picture, given_up) for picture in planned]


def obeyed(
    planned: Sequence[PlannedPicture],
    kept: Mapping[str, Line],
    failures: Iterable[Line],
    given_up: Collection[str],
    orders: Orders,
) -> Obeyed:
    """What is to be there, after what was rejected before and what the orders say now.

    Args:
        planned: as `as_remade` gives them.
        kept: the manifest's lines of pictures that are there, by key.
        failures: lines of an earlier run with a key.
        given_up: keys that were given up before.
        orders: of this run.

    Raises:
        InputError: the beginning of a key with which several begin.
    """
    by_key = {picture.key: picture for picture in planned}
    rows = {str(row["key"]): dict(row) for row in failures if row.get("key") in by_key}
    failed = {key: row for key, row in rows.items() if row.get("kind") == REJECTED or key not in kept}
    known = {*by_key, *kept, *given_up}
    reject, unknown = _whole(orders.reject, known, "--rejected")
    remake, more = _whole(orders.remake, known, "--remake")
    said = _unknown([*unknown, *more])
    for key, reason in reject.items():
        if key in by_key:
            failed[key] = {"kind": REJECTED, **by_key[key].as_dict(), "reason": reason or "rejected by a person"}
    given: list[Line] = []
    same = 0
    for key, reason in remake.items():
        if key not in by_key:
            continue
        picture, row = by_key[key], failed.pop(key, None)
        if picture.varies:
            given.append({"key": key, "name": picture.name, "reason": reason})
        elif row is None or row.get("kind") != REJECTED:
            same += 1
    if same:
        said.append(f"{same:,} pictures come from a photo alone and would be the same again: they stay as they are")
    new = {str(line["key"]) for line in given}
    taken_out = new | {key for key, row in failed.items() if row["kind"] == REJECTED} | (reject.keys() & kept.keys())
    return Obeyed(
        planned=as_remade(planned, new),
        kept={key: line for key, line in kept.items() if key not in taken_out},
        failed={key: row for key, row in failed.items() if key not in new},
        gone=[line for key, line in kept.items() if key in taken_out],
        remade=given,
        said=said,
    )


def _newest(picture: PlannedPicture, given_up: Collection[str]) -> PlannedPicture:
    while picture.key in given_up:
        picture = picture.again()
    return picture


def _read(path: Path) -> dict[str, str]:
    try:
        return read_list(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(path, error.strerror or "an error", "a text file with a key in each line") from None


def _whole(wanted: Mapping[str, str], known: Collection[str], option: str) -> tuple[dict[str, str], list[str]]:
    """Reasons by whole key, and what belongs to no picture."""
    beginnings: dict[str, list[str]] = {}
    for key in known:
        beginnings.setdefault(key[:12], []).append(key)
    found: dict[str, str] = {}
    unknown: list[str] = []
    for start, reason in wanted.items():
        fitting = [key for key in beginnings.get(start[:12], ()) if key.startswith(start)]
        if len(fitting) > 1:
            raise InputError(option, f"'{start}', with which {len(fitting)} keys begin", "more of the key")
        if fitting:
            found[fitting[0]] = reason
        else:
            unknown.append(start)
    return found, unknown


def _unknown(keys: Sequence[str]) -> list[str]:
    if not keys:
        return []
    return [f"{len(keys):,} keys belong to no picture of this run and are passed over, such as {keys[0]}"]
