"""The layout of a prepared dataset on disk, stated once: written by `catalogue`, read by `training` and `evaluation`.

A folder of `dataset.json` and WebDataset tars. For each key: `KEY.webp` (lossless), optionally `KEY.256.webp`, and
`KEY.json`; see `docs/architecture.md`, "Shards". The bytes depend on the rows alone: members in the order of ids, no
times, no owners.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.errors import InputError, OutputError
from packshot.images import canonical_json, open_picture
from packshot.lexicon.kinds import install_kinds

MANIFEST = "dataset.json"
FORMAT = "packshot-shards"
FORMAT_VERSION = 1
ROWS_PER_SHARD = 2000
TEST_PER_CENT = 5
_ACCEPTED = "a folder that 'packshot data prepare' wrote"


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One product.

    Attributes:
        id: the product's id in its catalogue.
        split: `train` or `test`, by `split_of(id)`.
        title: as the seller wrote it, or empty.
        colour_word: the seller's word for the colour, or empty.
        slots: lexicon entry by slot; None where nothing is said.
        colours: one or two (L, a, b, share) in OKLab, measured on the product, largest share first.
        captions: by language, `en` and `zh`.
        picture: lossless WebP, square, product on white.
        fine_picture: the same larger, WebP of quality 95; None where the source was too small.
    """

    id: str
    split: str
    title: str
    colour_word: str
    slots: Mapping[str, str | None]
    colours: tuple[tuple[float, float, float, float], ...]
    captions: Mapping[str, tuple[str, ...]]
    picture: bytes
    fine_picture: bytes | None = None

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(R, R, 3) sRGB bytes, decoded at each call."""
        return open_picture(self.picture, where=f"product {self.id}")

    @property
    def fine_pixels(self) -> NDArray[np.uint8] | None:
        """(F, F, 3) sRGB bytes, decoded at each call; None where there is no fine picture."""
        return None if self.fine_picture is None else open_picture(self.fine_picture, where=f"product {self.id}")

    @property
    def key(self) -> str:
        """The name of the row's members: the id where it is fit for a file name, else a hash of it."""
        return self.id if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", self.id) else f"x{_sha256(self.id.encode())[:20]}"

    def record(self) -> dict[str, object]:
        """What `KEY.json` holds."""
        return {
            "id": self.id,
            "split": self.split,
            "title": self.title,
            "colour_word": self.colour_word,
            "slots": dict(self.slots),
            "colours": [list(colour) for colour in self.colours],
            "captions": {language: list(texts) for language, texts in self.captions.items()},
        }


def split_of(product_id: str) -> str:
    """`test` for 5 % of the ids, by their hash: a product stays in its split whatever else the catalogue holds."""
    return "test" if int(_sha256(product_id.encode())[:8], 16) % 100 < TEST_PER_CENT else "train"


def write_shards(rows: Iterable[ShardRow], folder: Path, *, fine_resolution: int | None) -> list[dict[str, object]]:
    """Write `shard-00000.tar`, … of at most `ROWS_PER_SHARD` rows each.

    Args:
        rows: in the order of ids; read once, one shard is held in memory.
        folder: an existing folder.
        fine_resolution: names the members of the fine pictures; None where there are none.

    Returns:
        `file`, `rows` and `sha256` of each shard, for `dataset.json`.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    written: list[dict[str, object]] = []
    buffer: list[ShardRow] = []

    def flush() -> None:
        data = _tar(buffer, fine_resolution)
        name = f"shard-{len(written):05d}.tar"
        try:
            (folder / name).write_bytes(data)
        except OSError as error:
            raise OutputError(
                folder / name, error.strerror or error, "a folder that can be written, with room"
            ) from None
        written.append({"file": name, "rows": len(buffer), "sha256": _sha256(data)})
        buffer.clear()

    for row in rows:
        buffer.append(row)
        if len(buffer) == ROWS_PER_SHARD:
            flush()
    if buffer:
        flush()
    return written


def is_dataset(folder: Path) -> bool:
    """Whether `folder` holds a dataset of this layout, of any version."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def read_dataset(folder: Path) -> dict[str, Any]:
    """The parsed `dataset.json`.

    Raises:
        InputError: missing, damaged or of another version.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or error, _ACCEPTED) from None
    except ValueError:
        raise InputError(path, "no valid JSON", _ACCEPTED) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(path, "another kind of file", _ACCEPTED)
    if manifest.get("format_version") != FORMAT_VERSION:
        raise InputError(path, f"format version {manifest.get('format_version')}", f"version {FORMAT_VERSION}")
    return manifest


def read_shards(folder: Path) -> Iterator[ShardRow]:
    """Every row of a prepared dataset, in the order of ids; one shard is held in memory.

    The seller's own kinds of product, if there are any, are added to the lexicon of this process.

    Raises:
        InputError: `dataset.json` or a shard is missing, or the sha256 of a shard differs: nothing of that shard is
            yielded.
    """
    manifest = read_dataset(folder)
    install_kinds(manifest.get("kinds", []), str(folder / MANIFEST))
    for shard in manifest["shards"]:
        path = folder / Path(str(shard["file"])).name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(path, error.strerror or error, "a complete dataset; prepare it again") from None
        found = _sha256(data)
        if found != shard["sha256"]:
            raise InputError(
                path, f"sha256 {found[:12]}…", f"{shard['sha256'][:12]}… as in {MANIFEST}; prepare it again"
            )
        yield from _rows(data)


def _rows(data: bytes) -> Iterator[ShardRow]:
    parts: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            file = tar.extractfile(member)
            if file is not None:
                parts.setdefault(key, {})[extension] = file.read()
    for part in parts.values():
        record = json.loads(part.pop("json"))
        picture = part.pop("webp")
        yield ShardRow(
            id=record["id"],
            split=record["split"],
            title=record["title"],
            colour_word=record["colour_word"],
            slots=record["slots"],
            colours=tuple(tuple(colour) for colour in record["colours"]),
            captions={language: tuple(texts) for language, texts in record["captions"].items()},
            picture=picture,
            fine_picture=next(iter(part.values()), None),
        )


def _tar(rows: list[ShardRow], fine_resolution: int | None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for row in rows:
            _add(tar, f"{row.key}.json", canonical_json(row.record()).encode())
            _add(tar, f"{row.key}.webp", row.picture)
            if row.fine_picture is not None:
                _add(tar, f"{row.key}.{fine_resolution}.webp", row.fine_picture)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # times 0, owner 0, mode 0644: the bytes depend on the data alone
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
