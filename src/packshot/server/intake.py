"""Files of catalogues that clients send: a table, and photos one by one or in a ZIP, into a folder of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from starlette.datastructures import UploadFile

from packshot.catalogue.files import PICTURE_ENDINGS
from packshot.errors import InputError
from packshot.lexicon.kinds import only_kinds, parse_kinds
from packshot.server.archives import MOST_FILES, Limits, is_zip, unpack, weigh
from packshot.server.problems import ProblemError
from packshot.server.settings import Settings

TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".jsonl", ".ndjson", ".parquet")
_METADATA = ("metadata.csv", "metadata.jsonl")
MOST_BYTES_OF_KINDS = 64_000
_PIECE = 1 << 20
_LONGEST_NAME = 200
_MOST_OF_A_WORKBOOK = Limits(2_000, 400_000_000)


def keep_table(upload: UploadFile, folder: Path, settings: Settings) -> tuple[str, str]:
    """Keep a table of products; its name in the folder, and its sha256.

    Raises:
        ProblemError: too large.
        InputError: another kind of file, or a workbook that unpacks to too much.
    """
    suffix = PurePosixPath(upload.filename or "").suffix.casefold()
    if suffix not in TABLES:
        raise InputError("table", f"a file named '{(upload.filename or '')[-80:]}'", ", ".join(TABLES))
    path = folder / f"table{suffix}"
    digest = _keep(upload.file, path, settings.upload_bytes, "table")
    if suffix == ".xlsx":
        with path.open("rb") as stream:
            weigh(stream, _MOST_OF_A_WORKBOOK, "table")
    return path.name, digest


def keep_photos(uploads: Sequence[UploadFile], folder: Path, settings: Settings) -> list[str]:
    """Keep photos, or those that a ZIP holds; sha256 of what was sent, in order.

    Whether they are pictures is seen when they are used, one by one.

    Raises:
        ProblemError: too large.
        InputError: a name that can't be kept, twice the same, or a ZIP that is not acceptable.
    """
    folder.mkdir()
    if len(uploads) == 1 and is_zip(uploads[0].file):
        return [keep_archive(uploads[0], folder, settings, "photos", is_picture)]
    digests = []
    for upload in uploads:
        name = _name(upload.filename or "", "photos")
        if not is_picture(name):
            raise InputError("photos", f"'{name[-80:]}'", "pictures, or one ZIP of them")
        if (folder / name).exists():
            raise InputError("photos", f"two files '{name[-80:]}'", "each once")
        digests.append(_keep(upload.file, folder / name, settings.upload_bytes, "photos"))
    return digests


def keep_archive(
    upload: UploadFile, folder: Path, settings: Settings, where: str, wanted: Callable[[str], bool]
) -> str:
    """Unpack a ZIP into a folder; the ZIP's sha256.

    Raises:
        ProblemError: too large.
        InputError: no ZIP, one that is not acceptable, or nothing in it that is wanted.
    """
    digest = _digest(upload.file, settings.archive_bytes, where)
    limits = Limits(MOST_FILES, settings.archive_bytes)
    if not unpack(upload.file, folder, limits, wanted, where):
        raise InputError(where, "a ZIP without a picture", "pictures, at any depth")
    return digest


def keep_catalogue(upload: UploadFile, folder: Path, settings: Settings) -> str:
    """Unpack a catalogue to train on: pictures, and one table that names them; the ZIP's sha256.

    A single table of another name becomes `metadata.csv` or `metadata.jsonl` in its place.

    Raises:
        ProblemError: too large.
        InputError: no ZIP, one that is not acceptable, or without a table.
    """
    folder.mkdir()
    if not is_zip(upload.file):
        raise InputError("catalogue", "another kind of file", "a ZIP of pictures and a table, metadata.csv")
    digest = keep_archive(upload, folder, settings, "catalogue", lambda name: is_picture(name) or _is_table(name))
    tables = [path for path in sorted(folder.rglob("*")) if _is_table(path.name)]
    if any(path.name in _METADATA for path in tables):
        return digest
    if len(tables) != 1:
        got = "several tables" if tables else "no table"
        raise InputError("catalogue", got, "one, called metadata.csv, that names the pictures")
    tables[0].rename(tables[0].with_name(f"metadata{tables[0].suffix.casefold()}"))
    return digest


def keep_kinds(upload: UploadFile, path: Path) -> tuple[list[str], str]:
    """Keep a shop's own kinds of product; their keys, and the file's sha256.

    Raises:
        ProblemError: too large.
        InputError: no such file, or kinds that can't be added to those that ship.
    """
    content = upload.file.read(MOST_BYTES_OF_KINDS + 1)
    if len(content) > MOST_BYTES_OF_KINDS:
        detail = f"kinds: the file has more than {MOST_BYTES_OF_KINDS // 1000} kB"
        raise ProblemError(413, "too_large", detail, where="kinds")
    rows = parse_kinds(content, "kinds")
    with only_kinds(rows, "kinds"):
        path.write_bytes(content)
    return [str(row["key"]) for row in rows], hashlib.sha256(content).hexdigest()


def _is_table(name: str) -> bool:
    return name.casefold().endswith((".csv", ".jsonl"))


def is_picture(name: str) -> bool:
    """Whether a file is called as pictures are."""
    return name.rpartition(".")[2].casefold() in PICTURE_ENDINGS


def _name(said: str, where: str) -> str:
    """A file's name as tables know it; browsers may send folders before it."""
    name = PurePosixPath(said.replace("\\", "/")).name
    if not name.isprintable() or name.startswith(".") or not name or len(name.encode()) > _LONGEST_NAME:
        raise InputError(where, f"the name '{name[:80]}'", f"a plain name of at most {_LONGEST_NAME} bytes")
    return name


def _keep(stream: BinaryIO, path: Path, most: int, where: str) -> str:
    digest, left = hashlib.sha256(), most
    with path.open("xb") as target:
        while piece := stream.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise _too_large(where, most)
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _digest(stream: BinaryIO, most: int, where: str) -> str:
    """Of a whole stream, which is at its beginning before and after."""
    digest, left = hashlib.sha256(), most
    while piece := stream.read(_PIECE):
        left -= len(piece)
        if left < 0:
            raise _too_large(where, most)
        digest.update(piece)
    stream.seek(0)
    return digest.hexdigest()


def _too_large(where: str, most: int) -> ProblemError:
    return ProblemError(413, "too_large", f"{where}: the file has more than {most / 1e6:,.0f} MB", where=where)
