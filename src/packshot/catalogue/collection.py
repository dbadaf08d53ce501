"""Outcomes gathered on disk: an index in memory, pictures in a spool file."""

from __future__ import annotations

import hashlib
import heapq
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from packshot.catalogue.dedupe import Look, repeated
from packshot.catalogue.examine import Kept, Outcome
from packshot.catalogue.rows import BadRow, Place
from packshot.shards import ShardRow


@dataclass(frozen=True, slots=True)
class Entry:
    """What is remembered of a product.

    Attributes:
        id: of the product.
        place: of its row.
        reason: why it was dropped, or empty.
        pixels: of its source picture.
        start: of its data in the spool.
        size: of its data in the spool; a thumbnail if it was dropped by `examine`, else a pickled `ShardRow`.
        category: empty if it was dropped by `examine`.
        look: None if it was dropped by `examine`.
        fine: whether it has a fine picture.
    """

    id: str
    place: Place
    reason: str
    pixels: int
    start: int
    size: int
    category: str = ""
    look: Look | None = None
    fine: bool = False


class Collection:
    """All outcomes of a preparation."""

    def __init__(self, spool: Path) -> None:
        """Begin with nothing.

        Args:
            spool: a file to be made; `close` removes it.
        """
        self._path = spool
        self._spool = open(spool, "w+b")  # noqa: SIM115 - closed by `close`
        self._end = 0
        self.rows = 0
        self.superseded = 0
        self.bad: list[BadRow] = []
        self.index: dict[str, Entry] = {}

    def close(self) -> None:
        """Remove the spool; the index stays."""
        self._spool.close()
        self._path.unlink(missing_ok=True)

    def add(self, outcome: Outcome) -> None:
        """Take a row's outcome; of those with one id the one with the most pixels stays, the first of equals."""
        self.rows += 1
        if isinstance(outcome, BadRow):
            self.bad.append(outcome)
            return
        product_id = outcome.row.id if isinstance(outcome, Kept) else outcome.id
        earlier = self.index.get(product_id)
        if earlier is not None:
            self.superseded += 1
            if outcome.pixels <= earlier.pixels:
                return
        if isinstance(outcome, Kept):
            row = outcome.row
            start, size = self._append(pickle.dumps(row))
            category, fine = row.slots["category"] or "", row.fine_picture is not None
            entry = Entry(row.id, outcome.place, "", outcome.pixels, start, size, category, outcome.look, fine)
        else:
            start, size = self._append(outcome.thumbnail)
            entry = Entry(outcome.id, outcome.place, outcome.reason, outcome.pixels, start, size)
        self.index[product_id] = entry

    def drop_repeated(self) -> None:
        """Drop duplicates; of each group the picture with the most pixels stays, then the lowest id."""
        entries = sorted(self.kept(), key=lambda entry: (-entry.pixels, entry.id))
        matches = repeated([entry.look for entry in entries if entry.look is not None])
        for entry, match in zip(entries, matches, strict=True):
            if match is not None:
                self.index[entry.id] = replace(entry, reason="duplicate")

    def kept(self) -> list[Entry]:
        """Entries that are in, by id."""
        return sorted((entry for entry in self.index.values() if not entry.reason), key=lambda entry: entry.id)

    def dropped(self) -> list[Entry]:
        """Entries that are out, by id."""
        return sorted((entry for entry in self.index.values() if entry.reason), key=lambda entry: entry.id)

    def shard_rows(self) -> Iterator[ShardRow]:
        """The kept rows by id, read from the spool one by one."""
        for entry in self.kept():
            yield self._row(entry)

    def examples(self, reason: str, count: int) -> list[bytes]:
        """Encoded pictures of at most `count` entries with `reason` (empty: kept): those whose ids hash lowest."""
        entries = (entry for entry in self.index.values() if entry.reason == reason)
        chosen = heapq.nsmallest(count, entries, key=lambda entry: hashlib.sha256(entry.id.encode()).digest())
        return [self._row(entry).picture if entry.category else self._read(entry) for entry in chosen]

    def _append(self, data: bytes) -> tuple[int, int]:
        self._spool.seek(self._end)
        self._spool.write(data)
        start, self._end = self._end, self._end + len(data)
        return start, len(data)

    def _read(self, entry: Entry) -> bytes:
        self._spool.seek(entry.start)
        return self._spool.read(entry.size)

    def _row(self, entry: Entry) -> ShardRow:
        row: ShardRow = pickle.loads(self._read(entry))  # our own bytes, written a moment ago
        return row
