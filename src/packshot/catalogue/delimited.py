"""Rows of CSV, TSV and JSON lines out of their text; damaged ones are named, never lost. Knows nothing of columns."""

from __future__ import annotations

import csv
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from packshot.catalogue.rows import BadRow, Place, RawRow
from packshot.catalogue.texts import DAMAGED
from packshot.errors import InputError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""What may stand between values, and how it is called."""

_HEAD_LINES = 40
_MOST_LINES = 200


@dataclass(frozen=True, slots=True)
class Delimited:
    """A table of delimited values whose header is known.

    Attributes:
        delimiter: one of `DELIMITERS`.
        header: names of the columns, each once.
        header_line: where they stood, from 1.
        rows: the rows below, read as they are asked for.
    """

    delimiter: str
    header: tuple[str, ...]
    header_line: int
    rows: Iterator[RawRow | BadRow]


def read_delimited(
    lines: Iterable[str], path: str, choose: Callable[[Sequence[Sequence[str]]], int] = lambda rows: 0
) -> Delimited:
    """Find delimiter and header of a table.

    Args:
        lines: of the file, with their ends.
        path: for `Place`.
        choose: which of the first rows is the header; the first, if not said.

    Raises:
        InputError: nothing but blank lines.
    """
    feed = iter(lines)
    head = list(islice(feed, _HEAD_LINES))
    told, skipped = _told_delimiter(head)
    delimiter = told or find_delimiter(head)
    first = _records(head, delimiter, skipped)
    if not first:
        raise InputError(path, "an empty table", "a header and at least one row")
    cells, start, end = first[choose([record[0] for record in first])]
    header = unique_names(cells)
    rows = _rows(chain(head[end:], feed), end, path, delimiter, header)
    return Delimited(delimiter, header, start, rows)


def find_delimiter(head: Sequence[str]) -> str:
    """The delimiter that cuts most of the first lines into equally many values; of such, into the most."""

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = Counter(len(cells) for cells, _, _ in _records(head, delimiter, 0))
        return max(((count, width) for width, count in widths.items() if width > 1), default=(0, 0))

    return max(DELIMITERS, key=evenness)


def unique_names(cells: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, each once: 'photo', 'photo (2)'; a blank one is called by its place, from 1."""
    names: list[str] = []
    for place, cell in enumerate(cells, 1):
        plain = " ".join(cell.split()) or f"column {place}"
        name, count = plain, 1
        while name in names:
            count += 1
            name = f"{plain} ({count})"
        names.append(name)
    return tuple(names)


def jsonl_rows(lines: Iterable[str], path: str) -> Iterator[RawRow | BadRow]:
    """Objects, one on a line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = Place(path, "line", number)
        if fault := text_fault(line):
            yield BadRow(place, "", fault)
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(place, "", f"not JSON: {error}")
            continue
        if isinstance(values, dict):
            yield RawRow(place, values)
        else:
            yield BadRow(place, "", f"a JSON {type(values).__name__} instead of an object")


def text_fault(text: str) -> str:
    """Why a row's text cannot be trusted, empty where it can."""
    if DAMAGED in text:
        return "bytes that are not text in the table's encoding"
    return "a NUL character" if "\0" in text else ""


def _told_delimiter(head: Sequence[str]) -> tuple[str, int]:
    """Spreadsheets may write 'sep=;' above the header."""
    line = head[0].strip("\r\n").casefold() if head else ""
    told = line.removeprefix("sep=") if line.startswith("sep=") else ""
    return (told, 1) if told in DELIMITERS else ("", 0)


def _records(head: Sequence[str], delimiter: str, skip: int) -> list[tuple[list[str], int, int]]:
    """The rows of the first lines that are not blank: cells, first line from 1, last line."""
    records: list[tuple[list[str], int, int]] = []
    reader, before = csv.reader(head[skip:], delimiter=delimiter), skip
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((cells, before + 1, skip + reader.line_num))
            before = skip + reader.line_num
    except csv.Error:
        pass  # named when the rows are read
    return records


class _Lines:
    """Physical lines that can be given back; `taken` are the present row's, `ended` whether it asked for more."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._back = iter(lines), deque[str]()
        self.taken: list[str] = []
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _MOST_LINES:
            raise StopIteration
        line = self._back.popleft() if self._back else next(self._lines, None)
        self.ended = line is None
        if line is None:
            raise StopIteration
        self.taken.append(line)
        return line

    def keep_only_first(self) -> None:
        """Give back all lines of the row but the first."""
        self._back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _rows(
    lines: Iterable[str], before: int, path: str, delimiter: str, header: tuple[str, ...]
) -> Iterator[RawRow | BadRow]:
    """Rows below a header that ended in line `before`."""
    feed, number = _Lines(lines), before + 1
    while True:
        feed.taken.clear()
        found = _cells(feed, delimiter, len(header))
        place, number = Place(path, "line", number), number + len(feed.taken)
        if not feed.taken:
            return
        if isinstance(found, str):
            yield BadRow(place, "", found)
        elif any(cell.strip() for cell in found):
            fault = text_fault("".join(feed.taken))
            yield BadRow(place, "", fault) if fault else RawRow(place, dict(zip(header, found, strict=True)))


def _cells(feed: _Lines, delimiter: str, width: int) -> list[str] | str:
    """The values of the next row, or what is wrong with it.

    A quote that is never closed would swallow the rows below it: where a row over several lines is not clean CSV, only
    its first line is taken for damaged.
    """
    try:
        cells = next(csv.reader(feed, delimiter=delimiter), [])
    except csv.Error as error:
        feed.keep_only_first()
        return f"not CSV: {error}"
    if (len(feed.taken) > 1 or feed.ended) and not _is_clean(feed.taken, delimiter):
        feed.keep_only_first()
        return "a quote that is not closed"
    if any(cell.strip() for cell in cells[width:]) or (cells and len(cells) < width):
        several = len(feed.taken) > 1
        feed.keep_only_first()
        return f"{len(cells)} values for {width} columns" + (", with a quote that may not be closed" if several else "")
    return cells[:width]


def _is_clean(lines: Sequence[str], delimiter: str) -> bool:
    try:
        return len(lines) < _MOST_LINES and len(list(csv.reader(lines, delimiter=delimiter, strict=True))) <= 1
    except csv.Error:
        return False
