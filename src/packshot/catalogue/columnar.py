"""Rows of Parquet files; pyarrow lives here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packshot.catalogue.files import CatalogueFile
from packshot.catalogue.rows import BadRow, Place, RawRow
from packshot.errors import InputError, MissingExtraError, first_line

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Layout:
    """What a Parquet file's footer says.

    Attributes:
        columns: type by column; `binary` and `struct<…>` hold encoded pictures.
        rows: their number.
    """

    columns: Mapping[str, str]
    rows: int


def parquet_layout(file: CatalogueFile) -> Layout:
    """Read a file's footer.

    Raises:
        InputError: damaged.
        MissingExtraError: pyarrow is not installed.
        OSError: unreadable.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError(file.path, "a Parquet file without pyarrow", "pip install 'packshot[data]'") from None
    with file.files.open(file.path) as stream:
        try:
            table = parquet.ParquetFile(stream)
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise InputError(file.path, f"a damaged Parquet file ({first_line(error)})", "a complete one") from None
        schema = table.schema_arrow
        return Layout(dict(zip(schema.names, map(str, schema.types), strict=True)), table.metadata.num_rows)


def parquet_rows(file: CatalogueFile, columns: Iterable[str]) -> Iterator[RawRow | BadRow]:
    """The rows with these columns alone; where the file is damaged, a last bad row says so."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    number = 0
    with file.files.open(file.path) as stream:
        try:
            for batch in parquet.ParquetFile(stream).iter_batches(_BATCH, columns=list(dict.fromkeys(columns))):
                for cells in _as_dicts(batch):
                    number += 1
                    place = Place(file.path, "row", number)
                    yield BadRow(place, "", cells) if isinstance(cells, str) else RawRow(place, cells)
        except (arrow.ArrowException, OSError, ValueError) as error:
            reason = f"the file is damaged from here on: {first_line(error)}"
            yield BadRow(Place(file.path, "row", number + 1), "", reason)


def _as_dicts(batch: Any) -> list[dict[str, Any] | str]:
    """The rows of a batch; what is wrong, in place of a row whose text is none."""
    try:
        rows: list[dict[str, Any] | str] = batch.to_pylist()
        return rows
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            return ["bytes that are not text in UTF-8"]
        return [row for at in range(batch.num_rows) for row in _as_dicts(batch.slice(at, 1))]
