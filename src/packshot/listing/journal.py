"""What a run has made and what failed: two files of JSON lines that survive being killed at any moment.

One process adds to them, a whole line after its picture is in place. Reading drops a torn last line, and a line whose
picture is no longer there as it was written; what is dropped is made again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from packshot.listing.store import Journal, Store, Written

MANIFEST, FAILURES = "manifest.jsonl", "failures.jsonl"

Line = dict[str, Any]


def read_lines(store: Store, name: str) -> list[Line]:
    """The whole lines of a file; none where there is no file. Torn lines, as a killed process leaves, are passed over.

    Raises:
        OutputError: it cannot be read.
    """
    rows = (_row(line) for line in store.lines(name).split(b"\n"))
    return [row for row in rows if row is not None]


def _row(line: bytes) -> Line | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def files_of(line: Mapping[str, Any]) -> list[Written]:
    """The picture of a manifest's line, and its certificate if it has one."""
    found = [(line.get("name"), line.get("sha256"), line.get("md5"))]
    found += [(line.get("certificate"), line.get("certificate_sha256"), line.get("certificate_md5"))]
    return [Written(str(name), str(sha256), md5) for name, sha256, md5 in found if name is not None]


def made_before(store: Store, planned: Mapping[str, str]) -> dict[str, Line]:
    """Lines by key of the pictures that are there; what else the manifest holds may be dropped.

    A line that is not planned any more counts as long as no planned picture takes its file's name.

    Args:
        store: of the run.
        planned: names by key.

    Raises:
        OutputError: it can't be read.
    """
    taken = {name: key for key, name in planned.items()}
    lines = {
        str(line["key"]): line
        for line in read_lines(store, MANIFEST)
        if "key" in line and "name" in line and taken.get(str(line["name"]), line["key"]) == line["key"]
    }
    intact = store.intact([file for line in lines.values() for file in files_of(line)])
    return {key: line for key, line in lines.items() if intact.issuperset(files_of(line))}


def rewrite(journal: Journal, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of lines, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    journal.rewrite(name, b"".join(map(text_of, lines)))


def append(journal: Journal, name: str, line: Mapping[str, Any]) -> None:
    """Add a line.

    Raises:
        OutputError: it cannot be written.
    """
    journal.append(name, text_of(line))


def text_of(line: Mapping[str, Any]) -> bytes:
    """One line, with its end."""
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"
