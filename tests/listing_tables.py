"""Small catalogues and photos for tests of listings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from packshot.listing.columns import read_choice
from packshot.listing.intake import Catalogue, open_products, read_products
from packshot.listing.products import Problem, Product
from packshot.listing.tables import open_table


def photo(path: Path, grey: int = 90, size: tuple[int, int] = (32, 24)) -> Path:
    """A picture whose bytes depend on `grey`; JPEG or PNG by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, 255 - grey, 40)).save(path, quality=100)
    return path


def truncated(path: Path) -> Path:
    """A JPEG that ends in the middle."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 80).convert("RGB").save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    return path


def table(folder: Path, content: str | bytes, name: str = "products.csv", encoding: str = "utf-8") -> str:
    """A table's file; its path as people type it."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return str(path)


def opened(source: str, photos: Path | None = None, columns: str = "", words_only: bool = False) -> Catalogue:
    """A catalogue as the command line will open it."""
    choice = read_choice(columns) if columns else None
    return open_products(open_table(source), choice=choice, photos=photos, words_only=words_only)


def read(source: str, photos: Path | None = None, columns: str = "") -> tuple[list[Product], list[Problem]]:
    """Products and problems; drawn from words alone where no photos are given."""
    return split(list(read_products(opened(source, photos, columns, words_only=photos is None))))


def split(items: Sequence[Product | Problem]) -> tuple[list[Product], list[Problem]]:
    """Products and problems apart."""
    return [i for i in items if isinstance(i, Product)], [i for i in items if isinstance(i, Problem)]
