"""What a preparation did, for people and programs, and a sheet of examples to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packshot.catalogue.collection import Collection
from packshot.catalogue.examine import REASONS, THUMBNAIL_PX
from packshot.catalogue.rows import BadRow
from packshot.images import contact_sheet, open_picture

EXAMPLES_KEPT = 60
EXAMPLES_DROPPED = 20
_COLUMNS = 20
_SHOWN_BAD_ROWS = 20
_LABELS = {
    "": "kept",
    "category not in the lexicon": "other category",
    "background not plain white": "not plain white",
}


@dataclass(frozen=True, slots=True)
class PreparationReport:
    """Counts that add up: `rows` = kept + superseded + all dropped + bad rows.

    Attributes:
        rows: read in all files.
        kept: written to shards.
        superseded: rows whose product has a larger picture in another row.
        dropped: count by reason, every reason of `REASONS` present.
        kept_by_category: count by the lexicon's entry, most first.
        splits: count by split.
        fine: kept rows with a fine picture.
        bad_rows: rows that cannot be used as they are; also in `rejected.jsonl`.
        columns: column by meaning, by file: what was understood of the tables.
    """

    rows: int
    kept: int
    superseded: int
    dropped: Mapping[str, int]
    kept_by_category: Mapping[str, int]
    splits: Mapping[str, int]
    fine: int
    bad_rows: tuple[BadRow, ...]
    columns: Mapping[str, Mapping[str, str]]

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON; the counts also stand in `dataset.json`."""
        return {
            **self.counts(),
            "columns": {file: dict(columns) for file, columns in self.columns.items()},
            "bad_rows": [bad_row_as_dict(bad) for bad in self.bad_rows],
        }

    def counts(self) -> dict[str, object]:
        """The counts alone."""
        return {
            "rows": self.rows,
            "kept": self.kept,
            "superseded": self.superseded,
            "dropped": dict(self.dropped),
            "bad": len(self.bad_rows),
            "kept_by_category": dict(self.kept_by_category),
            "splits": dict(self.splits),
            "fine": self.fine,
        }

    def lines(self) -> list[str]:
        """The report for people."""
        lines = [f"{file}: {_listed(columns)}" for file, columns in self.columns.items()]
        split = ", ".join(f"{count} {name}" for name, count in self.splits.items())
        lines.append(f"{self.kept} of {self.rows} rows kept ({split}; {self.fine} with a fine picture)")
        if self.superseded:
            lines.append(f"{self.superseded} superseded by a larger picture of the same id")
        lines += [f"{count} dropped: {reason}" for reason, count in self.dropped.items() if count]
        if self.bad_rows:
            lines.append(f"{len(self.bad_rows)} bad rows (all of them in rejected.jsonl):")
            lines += [f"  {bad.place}: {bad.reason}" for bad in self.bad_rows[:_SHOWN_BAD_ROWS]]
        lines.append("kept by category: " + ", ".join(f"{name} {n}" for name, n in self.kept_by_category.items()))
        return lines


def bad_row_as_dict(bad: BadRow) -> dict[str, object]:
    """One line of `rejected.jsonl`."""
    return {"file": bad.place.file, bad.place.unit: bad.place.number, "id": bad.id, "reason": bad.reason}


def examples_sheet(collection: Collection) -> NDArray[np.uint8]:
    """Kept pictures, then rows for each reason, each picture labelled; (H, W, 3)."""
    pictures: list[NDArray[np.uint8]] = []
    labels: list[str] = []
    for reason in ("", *REASONS):
        for data in collection.examples(reason, EXAMPLES_DROPPED if reason else EXAMPLES_KEPT):
            pictures.append(_fitted(open_picture(data, where="example")))
            labels.append(_LABELS.get(reason, reason))
        missing = -len(pictures) % _COLUMNS  # the next reason starts a row of its own
        pictures += [np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), 232, np.uint8)] * missing
        labels += [""] * missing
    return contact_sheet(pictures, columns=_COLUMNS, labels=labels)


def tally(names: Iterable[str]) -> dict[str, int]:
    """Count by name, most first, equals by name."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most the thumbnail's size, by leaving out pixels where the training resolution is larger."""
    step = -(-max(pixels.shape[:2]) // THUMBNAIL_PX)
    return pixels[::step, ::step]


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{meaning} from '{column}'" for meaning, column in columns.items())
