"""Read catalogues row by row: tables beside pictures (🤗 imagefolder), Parquet and WebDataset.

A reader never stops at a bad row: it yields a `BadRow` in its place. It raises only where the whole file cannot be
understood.
"""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from packshot.catalogue.columnar import parquet_layout, parquet_rows
from packshot.catalogue.delimited import jsonl_rows, read_delimited
from packshot.catalogue.files import PICTURE_ENDINGS, CatalogueFile, LocalFiles
from packshot.catalogue.rows import BadRow, CatalogueRow, Place, RawRow, guess_columns, text_of
from packshot.catalogue.texts import detect_encoding, open_text
from packshot.errors import InputError, first_line

Item = CatalogueRow | BadRow
_LARGEST_MEMBER = 200_000_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A catalogue file whose columns are understood.

    Attributes:
        path: as opened.
        columns: column by meaning.
        total: number of rows, or None where only reading tells.
        rows: the rows, read as they are asked for.
    """

    path: str
    columns: Mapping[str, str]
    total: int | None
    rows: Iterator[Item]


def open_catalogue(file: CatalogueFile, mapping: Mapping[str, str]) -> Opened:
    """Open a catalogue's file and understand its columns.

    Args:
        file: from `find_catalogue`.
        mapping: the user's own choice, column by meaning.

    Raises:
        InputError: unreadable, or needed columns are missing.
        MissingExtraError: Parquet without pyarrow.
    """
    opener = {"table": _open_table, "parquet": _open_parquet, "webdataset": _open_webdataset}[file.kind]
    try:
        return opener(file, mapping)
    except OSError as error:
        raise InputError(file.path, error.strerror or str(error), "a file that can be read") from None


def _open_table(file: CatalogueFile, mapping: Mapping[str, str]) -> Opened:
    with file.files.open(file.path) as stream:
        data = stream.read()
    lines = open_text(io.BytesIO(data), detect_encoding(io.BytesIO(data), file.path))
    is_jsonl = file.path.casefold().endswith(".jsonl")
    entries = list(jsonl_rows(lines, file.path) if is_jsonl else read_delimited(lines, file.path).rows)
    found = list(dict.fromkeys(column for entry in entries if isinstance(entry, RawRow) for column in entry.cells))
    if not entries:
        raise InputError(file.path, "a table without rows", "a header and at least one row")
    columns = guess_columns(found, mapping, where=file.path, given=("id",))
    columns.setdefault("file_name", columns.pop("image", ""))  # in a table, a column 'image' can only hold names

    def rows() -> Iterator[Item]:
        for entry in entries:
            yield entry if isinstance(entry, BadRow) else _table_row(file, columns, entry)

    return Opened(file.path, columns, len(entries), rows())


def _table_row(file: CatalogueFile, columns: Mapping[str, str], row: RawRow) -> Item:
    place = row.place
    values = {meaning: text_of(row.cells.get(column)) for meaning, column in columns.items()}
    name = values.pop("file_name")
    values.setdefault("id", PurePosixPath(name).stem)
    picture = _beside(file, name)
    return BadRow(place, values["id"], picture) if isinstance(picture, str) else CatalogueRow(place, values, picture)


def _beside(file: CatalogueFile, name: str) -> bytes | Path | str:
    """The picture called `name` beside a table, or the reason why there is none."""
    relative = PurePosixPath(name.replace("\\", "/"))
    if not name:
        return "no picture is named"
    if relative.is_absolute() or ".." in relative.parts:
        return f"the picture '{name}' lies outside the catalogue's folder"
    path = f"{file.folder}/{relative}"
    if isinstance(file.files, LocalFiles):
        return Path(path) if Path(path).is_file() else f"the picture '{name}' is missing"
    try:
        with file.files.open(path) as stream:
            return stream.read()
    except OSError as error:
        return f"the picture '{name}' cannot be read: {first_line(error.strerror or error)}"


def _open_parquet(file: CatalogueFile, mapping: Mapping[str, str]) -> Opened:
    layout = parquet_layout(file)
    columns = guess_columns(list(layout.columns), mapping, where=file.path, given=())

    def rows() -> Iterator[Item]:
        for row in parquet_rows(file, columns.values()):
            yield row if isinstance(row, BadRow) else _parquet_row(file, columns, row.place, row.cells)

    return Opened(file.path, columns, layout.rows, rows())


def _parquet_row(file: CatalogueFile, columns: Mapping[str, str], place: Place, cells: Mapping[str, Any]) -> Item:
    values = {m: text_of(cells[column]) for m, column in columns.items() if m not in ("image", "file_name")}
    cell: Any = cells.get(columns.get("image", columns.get("file_name", "")))
    if isinstance(cell, dict):  # 🤗 datasets: {"bytes": …, "path": …}
        cell = cell.get("bytes") or cell.get("path")
    picture = (
        cell if isinstance(cell, bytes) and cell else _beside(file, text_of(cell) if isinstance(cell, str) else "")
    )
    return BadRow(place, values["id"], picture) if isinstance(picture, str) else CatalogueRow(place, values, picture)


def _open_webdataset(file: CatalogueFile, mapping: Mapping[str, str]) -> Opened:
    with contextlib.closing(_samples(file)) as samples:
        first = next((sample for sample in samples if not isinstance(sample, BadRow)), None)
    if first is None:
        raise InputError(file.path, "a tar without samples", "WebDataset: KEY.jpg, KEY.png or KEY.webp and KEY.json")
    given = ["id", "image", *(["text"] if first.text else [])]
    columns = guess_columns(list(first.cells), mapping, where=file.path, given=given)
    columns = {meaning: column for meaning, column in columns.items() if meaning not in ("image", "file_name")}

    def rows() -> Iterator[Item]:
        for sample in _samples(file):
            yield sample if isinstance(sample, BadRow) else _sample_row(sample, columns)

    return Opened(file.path, columns, None, rows())


@dataclass(slots=True)
class _Sample:
    place: Place
    key: str
    cells: dict[str, object]
    picture: bytes = b""
    text: str = ""
    reason: str = ""


def _sample_row(sample: _Sample, columns: Mapping[str, str]) -> Item:
    values = {meaning: text_of(sample.cells.get(column)) for meaning, column in columns.items()}
    values.setdefault("id", sample.key)
    if sample.text and not values.get("text"):
        values["text"] = sample.text
    if sample.reason or not sample.picture:
        return BadRow(sample.place, values["id"], sample.reason or "no picture beside the other members")
    return CatalogueRow(sample.place, values, sample.picture)


def _samples(file: CatalogueFile) -> Generator[_Sample | BadRow, None, None]:
    """Group neighbouring members by their key: the path up to the first dot of its last part (WebDataset)."""
    sample: _Sample | None = None
    number = 0
    try:
        with file.files.open(file.path) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                folder, _, base = member.name.rpartition("/")
                key, _, extension = base.partition(".")
                key = f"{folder}/{key}" if folder else key
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield sample
                    number += 1
                    sample = _Sample(Place(file.path, "row", number), key, {})
                _add_member(sample, extension.casefold(), member, tar.extractfile(member))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        yield BadRow(
            Place(file.path, "row", number), "" if sample is None else sample.key, f"damaged tar: {first_line(error)}"
        )
        return
    if sample is not None:
        yield sample


def _add_member(sample: _Sample, extension: str, member: tarfile.TarInfo, content: Any) -> None:
    kind = extension.rpartition(".")[2]
    if kind not in (*PICTURE_ENDINGS, "json", "txt"):
        return
    if member.size > _LARGEST_MEMBER:
        sample.reason = f"{member.name} has {member.size:,} bytes; accepted: at most {_LARGEST_MEMBER:,}"
        return
    stream: BinaryIO = content
    data = stream.read()
    if kind in PICTURE_ENDINGS:
        sample.picture = max(sample.picture, data, key=len)  # of several sizes, the finest
        return
    try:
        if kind == "txt":
            sample.text = data.decode("utf-8-sig").strip()
            return
        cells = json.loads(data)
    except ValueError as error:
        sample.reason = f"{member.name}: {first_line(error)}"
        return
    if isinstance(cells, dict):
        sample.cells = cells
    else:
        sample.reason = f"{member.name}: a JSON {type(cells).__name__} instead of an object"
