"""A catalogue's row as it was read, and which of its columns means what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path

from packshot.errors import InputError

MEANINGS: dict[str, tuple[str, ...]] = {
    "id": (
        "id", "product_id", "productid", "item_id", "sku", "asin", "article_id",
        "商品编号", "商品id", "编号", "商品编码", "货号", "商品货号",
    ),
    "image": ("image", "img", "picture", "photo", "图像"),
    "file_name": (
        "file_name", "filename", "image_file", "image_path", "file",
        "文件名", "图片", "图片文件", "主图", "图片路径",
    ),
    "title": (
        "title", "productdisplayname", "product_display_name", "product_name", "item_name", "name",
        "标题", "商品标题", "商品名称", "名称", "品名", "商品名",
    ),
    "category": (
        "article_type", "articletype", "category", "product_type",
        "品类", "类目", "商品类目", "类别", "分类", "产品类型",
    ),
    "colour": (
        "base_colour", "basecolour", "base_color", "colour", "color", "colour_word",
        "颜色", "颜色分类", "主色", "主颜色",
    ),
    "gender": ("gender", "sex", "性别", "适用性别", "适用人群"),
    "usage": ("usage", "occasion", "用途", "场合", "适用场景"),
    "text": ("text", "caption", "description", "prompt", "描述", "文案", "商品描述"),
}  # fmt: skip
"""Meaning -> column names taken for it, the first present wins; case, spaces, hyphens and underscores do not count."""

DESCRIBING = ("title", "category", "text")
"""A row is told from others by at least one of these."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is: what a person needs to find it.

    Attributes:
        file: path or URL as it was opened.
        unit: `row` or `line`.
        number: counted from 1; a text file's header is line 1.
    """

    file: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.file} {self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row of a table before its columns are understood.

    Attributes:
        place: where it is.
        cells: value by column, of any type that the table's format knows.
    """

    place: Place
    cells: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """One row.

    Attributes:
        place: where it is.
        values: text by meaning (`id`, `title`, …), stripped; absent where the catalogue lacks the column.
        picture: the encoded picture, or a local file that holds it.
    """

    place: Place
    values: Mapping[str, str]
    picture: bytes | Path


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used as it is.

    Attributes:
        place: where it is.
        id: of the product, or empty where it could not be read.
        reason: one line.
    """

    place: Place
    id: str
    reason: str


def guess_columns(
    found: Collection[str], mapping: Mapping[str, str], *, where: str, given: Iterable[str]
) -> dict[str, str]:
    """Say which column means what.

    Args:
        found: the catalogue's column names.
        mapping: the user's own choice, column by meaning; it wins over guesses.
        where: the file, for errors.
        given: meanings that the format itself provides (a WebDataset's key is an id).

    Returns:
        Column by meaning, for the meanings that are there.

    Raises:
        InputError: an unknown meaning, a chosen column that is not there, or a needed one that cannot be guessed.
    """
    listed = ", ".join(found) or "no columns"
    for meaning, column in mapping.items():
        if meaning not in MEANINGS:
            raise InputError("column mapping", f"the meaning '{meaning}'", ", ".join(MEANINGS))
        if column not in found:
            raise InputError(where, f"columns {listed}", f"a column '{column}', as mapped to {meaning}")
    plain = {plain_name(column): column for column in reversed(list(found))}
    columns = {
        meaning: plain[plain_name(name)]
        for meaning, names in MEANINGS.items()
        for name in reversed(names)
        if plain_name(name) in plain
    }
    columns.update(mapping)
    present = set(columns) | set(given)
    needed = [meaning for meaning in ("id",) if meaning not in present]
    if not present & {"image", "file_name"}:
        needed.append("image or file_name")
    if not present & set(DESCRIBING):
        needed.append(" or ".join(DESCRIBING))
    if needed:
        raise InputError(
            where, f"columns {listed}", f"also {'; '.join(needed)} (say which column that is by a mapping)"
        )
    return columns


def text_of(value: object) -> str:
    """A cell as text: None and NaN are empty, whole numbers lose their point (ids that went through a spreadsheet)."""
    if value is None or value != value:
        return ""
    if isinstance(value, float | Decimal) and isfinite(value) and value == int(value):
        value = int(value)
    return str(value).strip()


def plain_name(name: str) -> str:
    """A column's name as names are compared: case, spaces, hyphens and underscores do not count."""
    return name.strip().casefold().replace(" ", "").replace("_", "").replace("-", "")
