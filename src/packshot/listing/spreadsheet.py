"""Rows of XLSX workbooks; openpyxl lives here.

A spreadsheet changes what people type into it. What it did for sure is undone (numbers with leading zeros by their
format); what it may have lost is a `Damaged` cell, for the row to be named where it matters.
"""

from __future__ import annotations

import contextlib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Any, BinaryIO

from packshot.catalogue.delimited import text_fault, unique_names
from packshot.catalogue.files import Files
from packshot.catalogue.rows import BadRow, Place, RawRow, text_of
from packshot.errors import InputError, MissingExtraError, first_line
from packshot.listing.columns import header_row, known_names
from packshot.listing.products import Damaged

_ACCEPTED = "an .xlsx workbook that opens in a spreadsheet program"
_LARGEST_UNPACKED = 2_000_000_000
_LARGEST_STRINGS = 500_000_000
_HEAD_ROWS = 10
_ZEROS = re.compile(r"0{2,40}")
_EXACT_INTEGERS = 10**15


@dataclass(frozen=True, slots=True)
class Workbook:
    """A workbook's sheet of products; attributes as of `tables.Table`."""

    facts: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[RawRow | BadRow]]


def open_workbook(path: str, files: Files, sheet: str | None) -> Workbook:
    """Open a workbook and find its header.

    Args:
        path: within `files`.
        files: its file system.
        sheet: by name; if not said, the one whose first rows hold most known names of columns.

    Raises:
        InputError: damaged, no such sheet, or no rows.
        MissingExtraError: openpyxl is not installed.
    """
    with files.open(path) as stream, _opened(stream, path, values=True) as book:
        names = [each.title for each in book.worksheets]
        if sheet is not None and sheet not in names:
            raise InputError(path, f"no sheet '{sheet}'", f"one of {', '.join(names)}")
        heads = {name: _head(book[name]) for name in ([sheet] if sheet else names)}
        has_formulas = _has_formulas(stream)
    filled = {name: rows for name, rows in heads.items() if rows}
    if not filled:
        raise InputError(path, "a workbook without rows", "a header and at least one row")
    chosen = max(filled, key=lambda name: max(known_names(cells) for _, cells in filled[name]))
    at = header_row([cells for _, cells in filled[chosen]])
    last, cells = filled[chosen][at]
    if at + 1 < len(filled[chosen]):
        last, cells = _two_storeys(last, cells, *filled[chosen][at + 1])
    header = unique_names(_trimmed(cells))

    def rows() -> Iterator[RawRow | BadRow]:
        yield from _rows(path, files, chosen, last, header, has_formulas)

    if next(rows(), None) is None:
        raise InputError(path, "a table without rows", "a header and at least one row")
    facts = ["XLSX", f"sheet '{chosen}'" + (f" of {len(names)}" if len(names) > 1 else "")]
    facts += [f"header in row {last}"] if last > 1 else []
    return Workbook(tuple(facts), header, rows)


def _two_storeys(row: int, upper: list[str], next_row: int, lower: list[str]) -> tuple[int, list[str]]:
    """Join a header of two rows, as merged cells make them: 图片 over 主图 and 细节图; SKU over nothing."""
    both = [under.strip() or over for over, under in zip(*_padded(upper, lower), strict=True)]
    return (next_row, both) if next_row == row + 1 and known_names(both) > known_names(upper) else (row, upper)


def _padded(first: list[str], second: list[str]) -> tuple[list[str], list[str]]:
    width = max(len(first), len(second))
    return first + [""] * (width - len(first)), second + [""] * (width - len(second))


def _trimmed(cells: Sequence[str]) -> list[str]:
    filled = max((place for place, cell in enumerate(cells, 1) if cell.strip()), default=0)
    return list(cells[:filled])


def _head(sheet: Any) -> list[tuple[int, list[str]]]:
    """The first rows that are not blank, with their numbers."""
    sheet.reset_dimensions()  # a wrong size in the file would cut rows off
    rows = ((number, [text_of(cell.value) for cell in cells]) for number, cells in enumerate(sheet.iter_rows(), 1))
    return list(islice(((number, cells) for number, cells in rows if any(cells)), _HEAD_ROWS))


def _rows(
    path: str, files: Files, sheet: str, header_at: int, header: tuple[str, ...], has_formulas: bool
) -> Iterator[RawRow | BadRow]:
    number = header_at
    with contextlib.ExitStack() as stack:
        books = [
            stack.enter_context(_opened(stack.enter_context(files.open(path)), path, values=values))
            for values in ((True, False) if has_formulas else (True,))
        ]
        for book in books:
            book[sheet].reset_dimensions()
        try:
            for number, lines in enumerate(zip(*(book[sheet].iter_rows() for book in books), strict=True), 1):
                if number > header_at and (cells := _cells(lines[0], lines[-1] if has_formulas else None)):
                    yield _row(Place(path, "row", number), cells, header)
        except Exception as error:  # openpyxl raises whatever it stumbles over in a damaged sheet
            reason = f"the sheet is damaged from here on: {first_line(error)}"
            yield BadRow(Place(path, "row", number + 1), "", reason)


def _row(place: Place, cells: list[object], header: tuple[str, ...]) -> RawRow | BadRow:
    if any(cell is not None and text_of(cell) for cell in cells[len(header) :]):
        return BadRow(place, "", f"{len(cells)} values for {len(header)} columns")
    if fault := text_fault("".join(cell for cell in cells if isinstance(cell, str))):
        return BadRow(place, "", fault)
    cells = cells + [None] * (len(header) - len(cells))
    return RawRow(place, dict(zip(header, cells, strict=False)))


def _cells(values: Sequence[Any], formulas: Sequence[Any] | None) -> list[object]:
    """A row's cells, empty where all of them are blank."""
    cells = [_value(cell) for cell in values]
    for place, formula in enumerate(formulas or ()):
        if formula.data_type == "f" and cells[place] is None:
            cells[place] = Damaged("a formula whose result is not stored in the file")
    return cells if any(cell is not None and text_of(cell) for cell in cells) else []


def _value(cell: Any) -> object:
    value = cell.value
    if cell.data_type == "e":
        return Damaged(f"the spreadsheet's error {value}")
    if isinstance(value, datetime | date | time):
        shown = value.date() if isinstance(value, datetime) and value.time() == time() else value
        return Damaged(f"a date ({shown}), which the spreadsheet made of what was typed")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) >= _EXACT_INTEGERS:
            return Damaged(f"a number of more than 15 digits ({value:.0f}), which the spreadsheet has rounded")
        if value == int(value) and _ZEROS.fullmatch(cell.number_format or ""):
            return str(int(value)).zfill(len(cell.number_format))
    return value


def _has_formulas(stream: BinaryIO) -> bool:
    with zipfile.ZipFile(stream) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as part:
                    before = b""
                    while chunk := part.read(1 << 20):
                        if b"<f>" in before + chunk or b"<f " in before + chunk:
                            return True
                        before = chunk[-2:]
    return False


@contextlib.contextmanager
def _opened(stream: BinaryIO, path: str, *, values: bool) -> Iterator[Any]:
    """The workbook, with results in place of formulas if `values`."""
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError(path, "an XLSX workbook without openpyxl", "pip install 'packshot[listing]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that are not read, such as drop-down lists
        try:
            _check_size(stream, path)
            book = openpyxl.load_workbook(stream, read_only=True, data_only=values, keep_links=False)
            with contextlib.closing(book):
                yield book
        except InputError:
            raise
        except Exception as error:  # as in _rows
            raise InputError(path, f"a damaged workbook ({first_line(error)})", _ACCEPTED) from None


def _check_size(stream: BinaryIO, path: str) -> None:
    """Refuse what would fill the memory: a small file can unpack to anything."""
    with zipfile.ZipFile(stream) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            raise InputError(path, "a zip archive that is no workbook", _ACCEPTED)
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    for name, size, most in (
        ("all parts", sum(sizes.values()), _LARGEST_UNPACKED),
        ("its texts", sizes.get("xl/sharedStrings.xml", 0), _LARGEST_STRINGS),
    ):
        if size > most:
            raise InputError(path, f"{name} unpacked: {size:,} bytes", f"at most {most:,}; save large tables as CSV")
