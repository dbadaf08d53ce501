"""`packshot data prepare`: catalogue files -> a folder of shards, whole or not at all.

Rows stream through worker processes; what they make waits in a spool file, so that memory holds an index entry for each
row and never the pictures. The result depends on the rows alone: outcomes are taken in the order of rows, and shards
are sorted by id.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from packshot.catalogue.collection import Collection, Entry
from packshot.catalogue.examine import REASONS, Outcome, Settings
from packshot.catalogue.files import find_catalogue
from packshot.catalogue.readers import Opened, open_catalogue
from packshot.catalogue.report import PreparationReport, bad_row_as_dict, examples_sheet, tally
from packshot.catalogue.workers import examine_all
from packshot.errors import InputError, OutputError, RequestError
from packshot.images import canonical_json, save_picture
from packshot.lexicon.kinds import install_kinds, own_kinds_as_rows, read_kinds
from packshot.shards import FORMAT, FORMAT_VERSION, MANIFEST, is_dataset, split_of, write_shards

Progress = Callable[[int, int | None], None]
_SIDES = range(16, 1025)


def prepare(
    source: str,
    out: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    resolution: int = 64,
    fine_resolution: int | None = 256,
    workers: int = 2,
    overwrite: bool = False,
    progress: Progress | None = None,
    note: str = "",
    licence: str = "",
    kinds: Path | None = None,
) -> PreparationReport:
    """Make a training dataset of one or several catalogues.

    Beside the shards, `out` holds `dataset.json`, `rejected.jsonl` (bad rows: file, row or line, reason),
    `dropped.jsonl` (readable rows that a rule dropped) and `examples.png` to look at.

    Args:
        source: path or fsspec URL of a file, folder or glob pattern; several with commas between. Of rows with the same
            id the one with the most pixels counts, the first of equals.
        out: a folder that does not exist yet, or with `overwrite` a dataset made before.
        mapping: column by meaning (`rows.MEANINGS`) where the guess is wrong.
        resolution: side of the training pictures, pixels.
        fine_resolution: side of the fine pictures, or None for none.
        workers: processes; 1 works in this one.
        overwrite: replace the dataset at `out` once the new one is complete.
        progress: called with rows done and the number of all rows, None where a tar does not say.
        note: where the pictures come from; stands in `dataset.json` and every model card.
        licence: of the pictures, likewise.
        kinds: TOML file of the seller's own kinds of product; see `packshot.lexicon.kinds`.

    Raises:
        RequestError: a resolution or number of workers out of range.
        InputError: no catalogue at `source`, needed columns missing, not one row that can be kept, or kinds that cannot
            be added.
        OutputError: `out` exists, or cannot be written; nothing stays behind.
        MissingExtraError: Parquet without pyarrow, a URL without fsspec.
    """
    settings = _settings(resolution, fine_resolution, workers)
    own = [] if kinds is None else read_kinds(kinds)
    install_kinds(own, str(kinds))
    _check_free(out, overwrite)
    opened = [open_catalogue(file, mapping or {}) for file in find_catalogue(source)]
    with _folder_in_place_of(out) as folder, contextlib.closing(Collection(folder / ".spool")) as collection:
        outcomes = examine_all(chain.from_iterable(part.rows for part in opened), settings, workers)
        for outcome in _watched(outcomes, opened, progress):
            collection.add(outcome)
        collection.drop_repeated()
        report = _report(collection, opened)
        if not report.kept:
            raise InputError(source, "; ".join(report.lines()[len(opened) :]), "at least one row that can be kept")
        shards = write_shards(collection.shard_rows(), folder, fine_resolution=fine_resolution)
        _write_lines(folder / "rejected.jsonl", (bad_row_as_dict(bad) for bad in collection.bad))
        _write_lines(folder / "dropped.jsonl", (_dropped_as_dict(entry) for entry in collection.dropped()))
        save_picture(examples_sheet(collection), folder / "examples.png")
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "resolution": resolution,
            "fine_resolution": fine_resolution,
            "note": note,
            "licence": licence,
            "source": source,
            "kinds": own_kinds_as_rows(row["key"] for row in own),
            "counts": report.counts(),
            "shards": shards,
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


def _settings(resolution: int, fine_resolution: int | None, workers: int) -> Settings:
    for name, value in (("resolution", resolution), ("fine resolution", fine_resolution)):
        if value is not None and value not in _SIDES:
            raise RequestError(name, value, f"{_SIDES.start} to {_SIDES.stop - 1} pixels")
    if not 1 <= workers <= 64:
        raise RequestError("workers", workers, "1 to 64 processes")
    return Settings(resolution, fine_resolution)


def _check_free(out: Path, overwrite: bool) -> None:
    if not os.path.lexists(out):
        return
    if not is_dataset(out):
        raise OutputError(out, "something that is there already", "a new folder, or a prepared dataset to overwrite")
    if not overwrite:
        raise OutputError(out, "a dataset that is there already", "a new folder, or --overwrite")


@contextlib.contextmanager
def _folder_in_place_of(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that takes its place at the end, or vanishes if anything goes wrong."""
    mark = secrets.token_hex(4)
    folder = out.parent / f".{out.name}.{mark}.tmp"
    try:
        try:
            folder.mkdir()
            yield folder
            if out.exists():
                old = out.parent / f".{out.name}.{mark}.old"
                os.rename(out, old)
                os.rename(folder, out)
                shutil.rmtree(old)
            else:
                os.rename(folder, out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:  # readers turn theirs into bad rows: what arrives here was writing
        reason = error.strerror or str(error) or type(error).__name__
        raise OutputError(out, reason, "an existing parent folder that can be written, with room") from None


def _watched(outcomes: Iterable[Outcome], opened: list[Opened], progress: Progress | None) -> Iterator[Outcome]:
    totals = [part.total for part in opened]
    total = None if None in totals else sum(count or 0 for count in totals)
    for done, outcome in enumerate(outcomes, 1):
        yield outcome
        if progress is not None:
            progress(done, total)


def _report(collection: Collection, opened: list[Opened]) -> PreparationReport:
    kept = collection.kept()
    reasons = tally(entry.reason for entry in collection.dropped())
    return PreparationReport(
        rows=collection.rows,
        kept=len(kept),
        superseded=collection.superseded,
        dropped={reason: reasons.get(reason, 0) for reason in REASONS},
        kept_by_category=tally(entry.category for entry in kept),
        splits=tally(split_of(entry.id) for entry in kept),
        fine=sum(entry.fine for entry in kept),
        bad_rows=tuple(collection.bad),
        columns={part.path: part.columns for part in opened},
    )


def _dropped_as_dict(entry: Entry) -> dict[str, object]:
    return {"file": entry.place.file, entry.place.unit: entry.place.number, "id": entry.id, "reason": entry.reason}


def _write_lines(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(canonical_json(record) + "\n" for record in records)
