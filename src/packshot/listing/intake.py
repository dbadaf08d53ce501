"""Rows -> products. Every row ends as a product or as a problem with place and reason; a run goes on after either."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from packshot.catalogue.attributes import NOTHING, category_named, understood
from packshot.catalogue.rows import BadRow, Place, RawRow, text_of
from packshot.errors import InputError, RequestError
from packshot.lexicon import lexicon
from packshot.lexicon.colours import hex_of
from packshot.listing.columns import NEEDED, Columns, find_columns
from packshot.listing.photos import Contents, PhotoFolder, plain_sku
from packshot.listing.products import Damaged, Photo, Problem, Product
from packshot.listing.remote import RemoteStore
from packshot.listing.tables import Table
from packshot.prompt import SLOTS, colour_of_name, entry_for_catalogue_name

_LONGEST_SKU = 100
_LONGEST_TEXT = 20_000
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
_UNITS = {"mm": 0.1, "毫米": 0.1, "cm": 1.0, "厘米": 1.0, "公分": 1.0, "m": 100.0, "米": 100.0}
_UNITS |= dict.fromkeys(("in", "inch", "inches", '"', "英寸"), 2.54)
_LENGTH = re.compile(
    rf"(?<![\d.])(\d+(?:\.\d+)?)\s*({'|'.join(sorted(_UNITS, key=len, reverse=True))})?(?![a-wyz0-9.])"
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A table whose columns are understood, and where its photos are.

    Attributes:
        table: the table.
        columns: what they mean.
        photos: the folder, or None where all products are drawn from words.
        skus: of all rows, as `plain_sku`.
        rows: number of rows, damaged ones included.
        point_lost: all SKUs end with '.0', as numbers do that a spreadsheet program exported; it is taken off.
    """

    table: Table
    columns: Columns
    photos: PhotoFolder | None
    skus: frozenset[str]
    rows: int
    point_lost: bool

    def lines(self) -> list[str]:
        """For people: how the catalogue is read."""
        lines = [self.table.line(), *self.columns.lines()]
        if self.photos is not None and self.table.folder is None:
            how = "named by the rows, else found by SKU" if "photo" in self.columns.by_meaning else "found by SKU"
            lines.append(f"photos: {len(self.photos.files):,} files in {self.photos.shown()}, {how}")
        if self.photos is None:
            lines.append("photos: none; every picture is drawn from words")
        if self.point_lost:
            lines.append("SKUs: '.0' taken off, which a spreadsheet program has put behind whole numbers")
        return lines


def open_products(
    table: Table,
    *,
    choice: Mapping[str, tuple[str, ...]] | None = None,
    photos: Path | RemoteStore | None = None,
    words_only: bool = False,
) -> Catalogue:
    """Understand a table of products; reads it once.

    Args:
        table: from `open_table`.
        choice: the user's columns by meaning, see `columns.read_choice`.
        photos: folder of the photos. Without it, names of photos count from the table's own folder.
        words_only: no product has a photo; otherwise a table with neither a column of photos nor a folder is refused,
            since nobody wants twenty thousand invented products because of a misspelt heading.

    Raises:
        InputError: needed columns can't be found, or no such folder.
        RequestError: `words_only` together with `photos`.
    """
    if words_only and photos is not None:
        raise RequestError("photos", "a folder of photos for products that have none", "one of the two")
    with_folder = photos is not None or table.folder is not None or words_only
    if not with_folder and "://" in table.source:
        raise InputError(table.source, "products without a folder of photos", "one, or products drawn from words only")
    needed = (*NEEDED, *(() if with_folder else ("photo",)))
    columns = find_columns(table.columns, table.sample(), choice or {}, where=table.source, needed=needed)
    folder = None if words_only else table.folder or PhotoFolder(photos or Path(table.source).parent)
    rows, skus = 0, dict[str, None]()
    for row in table.rows():
        rows += 1
        if isinstance(row, RawRow) and (text := text_of(row.cells.get(columns.by_meaning["sku"][0]))):
            skus[text] = None
    point_lost = bool(skus) and all(re.fullmatch(r"\d+\.0", sku) for sku in skus)
    plain = frozenset(plain_sku(sku.removesuffix(".0") if point_lost else sku) for sku in skus)
    return Catalogue(table, columns, folder, plain, rows, point_lost)


def read_products(catalogue: Catalogue) -> Iterator[Product | Problem]:
    """Read the rows in their order; photos are decoded to their end.

    A row is lost where it is damaged, has no SKU or one that stood above, no title, or no readable photo although it
    names some. A photo alone is lost where others of its product can be read; that is said before the product.
    """
    seen: dict[str, Place] = {}
    rows = _rows(catalogue)
    ready = ((row, {}) for row in rows) if catalogue.photos is None else catalogue.photos.ahead(rows, _files_of)
    for row, known in ready:
        if isinstance(row, Problem):
            yield row
            continue
        try:
            if row.sku in seen:
                raise _Lost(f"the SKU stands already in {seen[row.sku].unit} {seen[row.sku].number}")
            title = _title(row.said)
            photos, faults = _photos(row, catalogue.photos, known)
            if faults and not photos:
                raise _Lost("; ".join(faults))
        except _Lost as lost:
            yield Problem(row.place, row.sku, "row", str(lost))
            continue
        seen[row.sku] = row.place
        yield from (Problem(row.place, row.sku, "photo", reason) for reason in faults)
        yield _product(row.place, row.sku, title, row.said, photos)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that has a SKU.

    Attributes:
        place: where it is.
        sku: of the product.
        said: text by meaning.
        files: the photos that it names, or that are named after it.
        faults: one line for each name that leads to no file.
    """

    place: Place
    sku: str
    said: Mapping[str, str]
    files: tuple[str, ...]
    faults: tuple[str, ...]


def _rows(catalogue: Catalogue) -> Iterator[_Row | Problem]:
    for row in catalogue.table.rows():
        if isinstance(row, BadRow):
            yield Problem(row.place, row.id, "row", row.reason)
            continue
        try:
            said = _said(row, catalogue.columns)
            sku = _sku(said, catalogue.point_lost)
        except _Lost as lost:
            shown = _as_shown(row.cells.get(catalogue.columns.by_meaning["sku"][0]))
            yield Problem(row.place, shown, "row", str(lost))
            continue
        yield _Row(row.place, sku, said, *_named_photos(said.get("photo", ""), sku, catalogue))


def _files_of(row: _Row | Problem) -> tuple[str, ...]:
    return row.files if isinstance(row, _Row) else ()


class _Lost(Exception):
    """The row can't be used; says why."""


def _said(row: RawRow, columns: Columns) -> dict[str, str]:
    """Text by meaning, of cells that are whole."""
    said: dict[str, str] = {}
    for meaning, names in columns.by_meaning.items():
        cells = [row.cells.get(name) for name in names]
        for name, cell in zip(names, cells, strict=True):
            if isinstance(cell, Damaged):
                raise _Lost(f"'{name}' holds {cell.reason}")
            if isinstance(cell, dict | bytes | memoryview):
                raise _Lost(f"'{name}' holds {type(cell).__name__} instead of text")
        said[meaning] = "\n".join(text for cell in cells if (text := _text(cell)))
    return said


def _text(cell: object) -> str:
    return "\n".join(map(_text, cell)) if isinstance(cell, list | tuple) else text_of(cell)


def _sku(said: Mapping[str, str], point_lost: bool) -> str:
    sku = unicodedata.normalize("NFC", said["sku"].removesuffix(".0") if point_lost else said["sku"])
    if not sku:
        raise _Lost("no SKU")
    if len(sku) > _LONGEST_SKU:
        raise _Lost(f"a SKU of {len(sku)} characters; accepted: at most {_LONGEST_SKU}")
    if not sku.isprintable():
        raise _Lost("a SKU with control characters")
    if _ROUNDED.fullmatch(sku):
        raise _Lost(f"the SKU '{sku}' has lost digits to a spreadsheet program; format its column as text")
    return sku


def _title(said: Mapping[str, str]) -> str:
    title = " ".join(said["title"].split())
    if not title:
        raise _Lost("no title")
    for meaning in ("title", "text"):
        if len(said.get(meaning, "")) > _LONGEST_TEXT:
            raise _Lost(f"a {meaning} of {len(said[meaning]):,} characters; accepted: at most {_LONGEST_TEXT:,}")
    return title


def _as_shown(cell: object) -> str:
    """A SKU that may be damaged, for lists of problems."""
    text = "" if isinstance(cell, Damaged) else text_of(cell)
    return "".join(character for character in text if character.isprintable())[:_LONGEST_SKU]


def _named_photos(cell: str, sku: str, catalogue: Catalogue) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The product's files, and what is wrong with names that lead to none."""
    if catalogue.photos is None:
        return (), ()
    if not cell:
        return catalogue.photos.of_sku(sku, catalogue.skus), ()
    named = catalogue.photos.named(cell)
    return named.files, named.faults


def _photos(row: _Row, folder: PhotoFolder | None, known: Contents) -> tuple[tuple[Photo, ...], list[str]]:
    """The row's photos that can be read, and what is wrong with the others."""
    loaded = [] if folder is None else [folder.load(file, known) for file in row.files]
    faults = [*row.faults, *(each for each in loaded if isinstance(each, str))]
    photos = {each.sha256: each for each in reversed(loaded) if isinstance(each, Photo)}  # one file under two names
    return tuple(reversed(photos.values())), faults


def _product(place: Place, sku: str, title: str, said: Mapping[str, str], photos: tuple[Photo, ...]) -> Product:
    slots, colour = _attributes(title, said)
    return Product(
        place=place,
        sku=sku,
        title=title,
        text=said.get("text", ""),
        slots=slots,
        colour=colour,
        colour_hex=_hex(colour),
        brand=said.get("brand", ""),
        parent=said.get("parent", ""),
        size_cm=read_size(said.get("size", "")),
        photos=photos,
    )


def _attributes(title: str, said: Mapping[str, str]) -> tuple[dict[str, str | None], str]:
    """Lexicon entries by slot, and the colour's word: from their columns, else from the title.

    The description counts where the title names no product: it speaks of other things, too.
    """
    read = understood(title)
    if (read is None or read.category is None) and said.get("text"):
        read = understood(said["text"]) or read
    slots: dict[str, str | None] = {}
    for slot in SLOTS:
        named = _named(slot, said[slot], lexicon().own) if said.get(slot) else None
        slots[slot] = named or (None if read is None else getattr(read, slot))
    colour = said.get("colour", "")
    if colour.casefold() in NOTHING or not colour:
        colour = read.colours[0].word if read and read.colours else ""
    return slots, colour


@lru_cache(4096)
def _named(slot: str, word: str, own: frozenset[str]) -> str | None:
    """The entry that a column's word stands for: a catalogue's own name, or a word of the lexicon with kinds `own`."""
    if slot == "category":
        return category_named(word)
    entry = entry_for_catalogue_name(slot, word)
    if entry is not None:
        return entry
    prompt = understood(word)
    key: str | None = None if prompt is None else getattr(prompt, slot)
    return key


@lru_cache(4096)
def _hex(colour: str) -> str:
    known = colour_of_name(colour) if colour else None
    return "" if known is None else hex_of(known.oklab)


def read_size(text: str) -> tuple[float, ...]:
    """Two or three lengths in centimetres out of '30 x 20 x 10 cm' or '长30厘米×宽20厘米'; empty where there are none.

    Numbers without a unit take that of a later one, and mean nothing where there is no unit at all (clothing sizes).
    """
    found = _LENGTH.findall(unicodedata.normalize("NFKC", text).casefold())
    if not 2 <= len(found) <= 3 or not found[-1][1]:
        return ()
    lengths: list[float] = []
    unit = ""
    for number, said in reversed(found):
        unit = said or unit
        lengths.append(round(float(number) * _UNITS[unit], 2))
    return tuple(reversed(lengths)) if all(0 < length <= 2_000 for length in lengths) else ()
