"""Product tables of any kind as rows: CSV, TSV, JSON lines, Parquet, XLSX, a folder of photos, a database.

A table is opened once and read as often as one likes, a row at a time, so that its length costs time and no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from packshot.catalogue.columnar import parquet_layout, parquet_rows
from packshot.catalogue.delimited import DELIMITERS, jsonl_rows, read_delimited
from packshot.catalogue.files import CatalogueFile, Files, LocalFiles, RemoteFiles
from packshot.catalogue.rows import BadRow, Place, RawRow
from packshot.catalogue.texts import Encoding, detect_encoding, open_text
from packshot.errors import InputError, RequestError
from packshot.listing.columns import header_row
from packshot.listing.database import is_database, open_database
from packshot.listing.photos import PhotoFolder
from packshot.listing.spreadsheet import open_workbook

Rows = Callable[[], Iterator[RawRow | BadRow]]
_KINDS = "CSV, TSV, JSON lines (.jsonl), Parquet, XLSX, a folder of photos, or a database's URL"
_TABLE_ENDINGS = (".csv", ".tsv", ".xlsx", ".jsonl", ".parquet")
_MOST_KEYS = 2_000
_SAMPLE_ROWS = 200


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose form is known.

    Attributes:
        source: file, folder or URL, without a password.
        facts: what was found of its form, for people: kind, encoding, delimiter …
        columns: their names, each once.
        rows: reads it from its beginning.
        folder: photos, where the source is a folder of them.
    """

    source: str
    facts: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Rows
    folder: PhotoFolder | None = None

    def sample(self) -> list[RawRow]:
        """The first rows that can be read."""
        return list(islice((row for row in self.rows() if isinstance(row, RawRow)), _SAMPLE_ROWS))

    def line(self) -> str:
        """For people: what was opened and how it is read."""
        return f"{self.source}: {', '.join(self.facts)}"


def open_table(source: str, *, sheet: str | None = None, query: str | None = None) -> Table:
    """Open a product table.

    Args:
        source: a file, local or any URL that fsspec knows; a folder of photos; or a database's SQLAlchemy URL.
        sheet: of a workbook; the first that looks like a table of products, if not said.
        query: for databases: a table's name, or a SELECT.

    Raises:
        InputError: nothing there, or nothing that can be read.
        RequestError: `sheet` or `query` without a workbook or database.
        MissingExtraError: the package for this kind is not installed.
    """
    if is_database(source):
        found = open_database(source, query)
        return Table(found.source, found.facts, found.columns, found.rows)
    if query is not None:
        raise RequestError(
            "query", f"a query for {source}", "a query with a database's URL (postgresql://, sqlite:///)"
        )
    files: Files = RemoteFiles(source) if "://" in source else LocalFiles()
    try:
        return _open_files(source, files, sheet)
    except OSError as error:
        raise InputError(source, error.strerror or str(error) or type(error).__name__, _KINDS) from None


def _open_files(source: str, files: Files, sheet: str | None) -> Table:
    if isinstance(files, LocalFiles) and files.is_folder(source):
        return _open_folder(Path(source))
    with files.open(source) as stream:
        start = stream.read(8)
    ending = source.casefold().rpartition(".")[2]
    if start[:4] == b"PK\x03\x04":
        workbook = open_workbook(source, files, sheet)
        return Table(source, workbook.facts, workbook.columns, workbook.rows)
    if sheet is not None:
        raise RequestError("sheet", f"a sheet for {source}", "a sheet with an XLSX workbook")
    if not start:
        raise InputError(source, "an empty file", _KINDS)
    if start[:4] == b"PAR1":
        return _open_parquet(CatalogueFile(source, "parquet", files))
    if start == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise InputError(source, "an old .xls or an encrypted workbook", "an .xlsx without a password, or CSV")
    if ending in ("jsonl", "ndjson"):
        return _open_jsonl(source, files)
    if ending in ("csv", "tsv", "txt", "tab"):
        return _open_delimited(source, files)
    raise InputError(source, "a file of another kind", _KINDS)


def _open_delimited(source: str, files: Files) -> Table:
    with files.open(source) as stream:
        encoding = detect_encoding(stream, source)
    with files.open(source) as stream, open_text(stream, encoding) as lines:
        table = read_delimited(lines, source, header_row)
        if next(table.rows, None) is None:
            raise InputError(source, "a table without rows", "a header and at least one row")

    def rows() -> Iterator[RawRow | BadRow]:
        with files.open(source) as stream, open_text(stream, encoding) as lines:
            yield from read_delimited(lines, source, header_row).rows

    kind = "TSV" if table.delimiter == "\t" else "CSV"
    facts = [kind, *_facts(encoding), f"{DELIMITERS[table.delimiter]} between values"]
    facts += [f"header in line {table.header_line}"] if table.header_line > 1 else []
    return Table(source, tuple(facts), table.header, rows)


def _open_jsonl(source: str, files: Files) -> Table:
    with files.open(source) as stream:
        encoding = detect_encoding(stream, source)

    def rows() -> Iterator[RawRow | BadRow]:
        with files.open(source) as stream, open_text(stream, encoding) as lines:
            yield from jsonl_rows(lines, source)

    keys: dict[str, None] = {}
    for row in rows():
        keys.update(dict.fromkeys(row.cells) if isinstance(row, RawRow) else {})
        if len(keys) > _MOST_KEYS:
            raise InputError(source, f"more than {_MOST_KEYS:,} different keys", "objects that share their keys")
    if not keys:
        raise InputError(source, "no JSON object in any line", "JSON lines: an object in each")
    return Table(source, ("JSON lines", *_facts(encoding)), tuple(keys), rows)


def _open_parquet(file: CatalogueFile) -> Table:
    layout = parquet_layout(file)
    wide = [
        name for name, kind in layout.columns.items() if kind.startswith(("binary", "large_binary", "struct", "map"))
    ]
    columns = tuple(name for name in layout.columns if name not in wide)
    if not layout.rows or not columns:
        raise InputError(file.path, "a Parquet file without rows or columns of text", "at least one of each")
    facts = ["Parquet", f"{layout.rows:,} rows", *([f"columns not read: {', '.join(wide)}"] if wide else [])]
    return Table(file.path, tuple(facts), columns, lambda: parquet_rows(file, columns))


def _open_folder(root: Path) -> Table:
    folder = PhotoFolder(root)
    products = folder.products()
    if not products:
        raise InputError(root, "a folder without pictures", _KINDS)

    def rows() -> Iterator[RawRow | BadRow]:
        for number, (name, files) in enumerate(products.items(), 1):
            words = name.replace("_", " ").replace("/", " ")
            cells: dict[str, Any] = {"sku": name, "title": words, "photo": list(files)}
            yield RawRow(Place(str(root), "product", number), cells)

    facts = ["a folder", f"{len(folder.files):,} photos of {len(products):,} products"]
    tables = sorted(path.name for path in root.iterdir() if path.suffix.casefold() in _TABLE_ENDINGS)
    facts += [f"tables in it are not read: {', '.join(tables)}"] if tables else []
    return Table(str(root), tuple(facts), ("sku", "title", "photo"), rows, folder)


def _facts(encoding: Encoding) -> list[str]:
    damaged = [f"{encoding.damaged:,} damaged lines"] if encoding.damaged else []
    return [encoding.name, *damaged]
