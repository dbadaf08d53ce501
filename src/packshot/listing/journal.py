"""What a run has made and what failed: two files of JSON lines that survive being killed at any moment.

One process appends, a whole line after its picture is in place. Reading drops a torn last line, and a line whose
picture is no longer there as it was written; what is dropped is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packshot.errors import OutputError
from packshot.images import write_atomically

MANIFEST, FAILURES = "manifest.jsonl", "failures.jsonl"
_LOCK = ".packshot-listing.lock"

Line = dict[str, Any]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder for one run; the lock ends with the process, however that ends.

    Raises:
        OutputError: another run holds it, or the folder cannot be written to.
    """
    try:
        file = (folder / _LOCK).open("a")
    except OSError as error:
        raise OutputError(folder, error.strerror or "an error", "a folder that can be written to") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(folder, "another run that is writing there", "one run at a time") from None
        yield


def read_lines(path: Path) -> list[Line]:
    """The whole lines of a file; none where there is no file. Torn lines, as a killed process leaves, are passed over.

    Raises:
        OutputError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(path, error.strerror or "an error", "a file that can be read") from None
    rows = (_row(line) for line in content.split(b"\n"))
    return [row for row in rows if row is not None]


def _row(line: bytes) -> Line | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def intact(folder: Path, line: Mapping[str, Any]) -> bool:
    """Whether the picture of a manifest's line, and its certificate if it has one, are as they were written."""
    files = [(line.get("name"), line.get("sha256")), (line.get("certificate"), line.get("certificate_sha256"))]
    return all(_same(folder / str(name), digest) for name, digest in files if name is not None)


def _same(path: Path, sha256: object) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def made_before(folder: Path, planned: Mapping[str, str], *, write: bool) -> dict[str, Line]:
    """Lines by key of the pictures that are there; the manifest is left with these alone.

    A line that is not planned any more stays as long as no planned picture takes its file's name.

    Args:
        folder: of the run.
        planned: names by key.
        write: whether the manifest is cleaned, too.

    Raises:
        OutputError: it can't be read or written.
    """
    lines = read_lines(folder / MANIFEST)
    taken = {name: key for key, name in planned.items()}
    kept = {
        str(line["key"]): line
        for line in lines
        if "key" in line and taken.get(str(line.get("name")), line["key"]) == line["key"] and intact(folder, line)
    }
    if write:
        rewrite(folder / MANIFEST, kept.values())
    return kept


def without_partial_files(folder: Path) -> None:
    """Remove what killed writes of `images.write_atomically` have left; for the run that holds the folder."""
    for path in folder.rglob(".packshot-*.tmp"):
        path.unlink(missing_ok=True)


def rewrite(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of lines, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_atomically(path, "".join(map(text_of, lines)).encode())


def text_of(line: Mapping[str, Any]) -> str:
    """One line, with its end."""
    return json.dumps(line, ensure_ascii=False) + "\n"


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line in one call to the system, so that being killed leaves all of it or a torn end.

    Raises:
        OutputError: it cannot be written; no half of it stays where that can be helped.
    """
    data = text_of(line).encode()
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            if file.write(data) != len(data):
                file.truncate(before)
                raise OutputError(path, "a full disk", "room for one more line")
    except OSError as error:
        raise OutputError(path, error.strerror or "an error", "a file that can be written, with room") from None
