"""Which column of a product table means what: by its name, else by what stands in it, or as the user says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from packshot.catalogue.rows import MEANINGS, RawRow, plain_name
from packshot.errors import InputError, RequestError
from packshot.listing.guesses import guess_by_content

NAMES: dict[str, tuple[str, ...]] = {
    "sku": (
        "sku", "sku id", "sku code", "item sku", "seller sku", "variant sku", "商品sku", "sku编码",
        "sku编号", "sku码", "货号", "商品货号", "商家编码", "商品编码", "商品编号", "货品编号", "物料编码",
        "编码", "编号", "item number", "item no", "product code", "article number", "handle",
        *MEANINGS["id"], "条码", "条形码", "商品条码", "barcode", "gtin", "ean", "upc",
    ),
    "title": (
        "title", "标题", "商品标题", "宝贝标题", "宝贝名称", "中文标题", "英文标题", "product title",
        *MEANINGS["title"], "产品名称", "产品标题", "产品名", "货品名称", "product",
    ),
    "photo": (
        "主图", "商品主图", "主图文件", "主图路径", "main image", "main photo", "main picture",
        "main image url", *MEANINGS["image"], *MEANINGS["file_name"], "照片", "图片名", "图片名称",
        "图片文件名", "商品图片", "产品图片", "图", "photos", "images", "pictures", "image link",
        "image src", "image url", "photo file", "白底图", "副图", "附图", "细节图", "详情图", "其他图片",
        "additional image", "additional images", "additional image link", "other image", "other image url",
        "detail image",
    ),
    "category": (
        *MEANINGS["category"], "宝贝类目", "叶子类目", "google product category", "type",
    ),
    "colour": (
        *MEANINGS["colour"], "商品颜色", "color name", "colour name", "颜色名称",
    ),
    "material": (
        "material", "fabric", "composition", "材质", "面料", "材料", "主要材质", "材质成分",
    ),
    "brand": (
        "brand", "brand name", "vendor", "manufacturer", "品牌", "品牌名", "品牌名称",
    ),
    "gender": MEANINGS["gender"],
    "usage": MEANINGS["usage"],
    "size": (
        "dimensions", "product dimensions", "尺寸", "商品尺寸", "产品尺寸", "尺寸cm", "长宽高", "规格尺寸",
        "size", "规格",
    ),
    "parent": (
        "parent", "parent sku", "parent id", "spu", "spu id", "spu编码", "商品spu", "父sku", "父体",
        "父商品", "款号", "商品款号", "item group id", "group", "style number", "model",
    ),
    "text": (
        *MEANINGS["text"], "商品详情", "卖点", "商品卖点", "bullet points", "body html",
    ),
}  # fmt: skip
"""Meaning -> names of columns taken for it, the first present wins; of photos all present ones, in this order."""

_PLACES = {
    meaning: {plain_name(name): place for place, name in reversed(list(enumerate(names)))}
    for meaning, names in NAMES.items()
}
NEEDED = ("sku", "title")
_SHOWN = 20
_PARENTHESES = re.compile(r"[（(\[【].*?[)）\]】]")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table mean.

    Attributes:
        by_meaning: columns by meaning of `NAMES`; only `photo` may have several.
        how: by meaning, how that was found: `by name`, `by content`, `as told`.
        left_out: the other columns.
    """

    by_meaning: Mapping[str, tuple[str, ...]]
    how: Mapping[str, str]
    left_out: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people: what is understood, and what is left out."""
        quoted = {meaning: " and ".join(map("'{}'".format, names)) for meaning, names in self.by_meaning.items()}
        found = [f"{meaning} from {columns} ({self.how[meaning]})" for meaning, columns in quoted.items()]
        lines = ["columns: " + ", ".join(found)]
        if self.left_out:
            lines.append("left out: " + _listed(self.left_out))
        return lines


def read_choice(text: str) -> dict[str, tuple[str, ...]]:
    """The user's own choice, such as `title=品名,photo=主图,photo=细节图`: columns by meaning.

    Raises:
        RequestError: not of this form, or an unknown meaning.
    """
    parts = re.split(r"(?:^|,)\s*(\w+)\s*=", text)
    if parts[0].strip() or len(parts) < 3:
        raise RequestError("columns", f"'{text}'", "meaning=column,meaning=column …, such as title=品名,photo=图片")
    choice: dict[str, tuple[str, ...]] = {}
    for meaning, column in zip(parts[1::2], parts[2::2], strict=True):
        if meaning not in NAMES:
            raise RequestError("columns", f"the meaning '{meaning}'", ", ".join(NAMES))
        if not column.strip():
            raise RequestError("columns", f"no column for {meaning}", f"{meaning}=COLUMN")
        if meaning in choice and meaning != "photo":
            raise RequestError("columns", f"two columns for {meaning}", "one; only photo may have several")
        choice[meaning] = (*choice.get(meaning, ()), column.strip())
    return choice


def find_columns(
    found: Sequence[str],
    sample: Sequence[RawRow],
    choice: Mapping[str, tuple[str, ...]],
    *,
    where: str,
    needed: Collection[str],
) -> Columns:
    """Say which column means what.

    Args:
        found: the table's columns.
        sample: some of its rows, for columns whose names say nothing.
        choice: the user's own; it wins.
        where: the table, for errors.
        needed: meanings without which it can't go on.

    Raises:
        InputError: a chosen column that is not there, or a needed one that can't be found.
    """
    for meaning, columns in choice.items():
        for column in columns:
            if column not in found:
                raise InputError(where, f"columns {_listed(found)}", f"a column '{column}', as told for {meaning}")
    by_meaning, how = dict(choice), dict.fromkeys(choice, "as told")
    taken = {column for columns in choice.values() for column in columns}
    for meaning, columns in _by_name([column for column in found if column not in taken]).items():
        if meaning not in by_meaning:
            by_meaning[meaning], how[meaning] = columns, "by name"
            taken |= set(columns)
    missing = [meaning for meaning in ("photo", "sku", "title", "colour", "category") if meaning not in by_meaning]
    free = [column for column in found if column not in taken]
    for meaning, column in guess_by_content(missing, free, sample).items():
        by_meaning[meaning], how[meaning] = (column,), "by content"
        taken.add(column)
    lacking = [meaning for meaning in needed if meaning not in by_meaning]
    if lacking:
        said = ",".join(f"{meaning}=COLUMN" for meaning in lacking)
        folder = ", or a folder with --photos" if "photo" in lacking else ""
        got = f"no column for {' and '.join(lacking)} among {_listed(found)}"
        raise InputError(where, got, f"its name told by --columns {said}{folder}")
    ordered = {meaning: by_meaning[meaning] for meaning in NAMES if meaning in by_meaning}
    return Columns(ordered, how, tuple(column for column in found if column not in taken))


def header_row(rows: Sequence[Sequence[str]]) -> int:
    """Which of a table's first rows is the header: the one with most known names, else the first.

    Tables often begin with a title over all columns.
    """
    known = [known_names(row) for row in rows[:10]]
    return known.index(max(known)) if known and max(known) > 1 else 0


def known_names(cells: Iterable[str]) -> int:
    """How many of these names of columns have a meaning."""
    return sum(map(len, _by_name([cell for cell in cells if cell.strip()]).values()))


def _by_name(found: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Columns by meaning, going by names; a whole name counts before one of several ('SKU/货号')."""
    columns: dict[str, tuple[str, ...]] = {}
    free = dict.fromkeys(found)
    for forms in (_whole, _parts):
        for meaning, plain in _PLACES.items():
            if meaning in columns:
                continue
            fitting = [
                (place, column) for column in free if (place := _place(forms(column, meaning), plain)) is not None
            ]
            fitting.sort(key=lambda pair: pair[0])
            if fitting:
                columns[meaning] = tuple(column for _, column in fitting[: None if meaning == "photo" else 1])
                for column in columns[meaning]:
                    del free[column]
    return columns


def _place(forms: Iterable[str], names: Mapping[str, int]) -> int | None:
    return min((names[form] for form in forms if form in names), default=None)


def _whole(column: str, meaning: str) -> list[str]:
    plain = plain_name(_PARENTHESES.sub("", unicodedata.normalize("NFKC", column)).strip(" *:\ufeff\u200b"))
    return [plain, plain.rstrip("0123456789")] if meaning == "photo" else [plain]


def _parts(column: str, meaning: str) -> list[str]:
    pieces = re.split(r"[/|、\n]", unicodedata.normalize("NFKC", column))
    return [form for piece in pieces for form in _whole(piece, meaning)]


def _listed(columns: Collection[str]) -> str:
    names = [" ".join(column.split())[:40] for column in list(columns)[:_SHOWN]]
    rest = len(columns) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest > 0 else "") if names else "no columns"
