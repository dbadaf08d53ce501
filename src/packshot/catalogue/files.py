"""Local paths and fsspec URLs behind one small interface, and what kind of catalogue lies there."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, cast

from packshot.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["table", "parquet", "webdataset"]
_KINDS = "a folder of pictures with metadata.csv or metadata.jsonl, Parquet with encoded pictures, or WebDataset tars"
PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
"""How names of pictures end, without the dot."""
_TABLES = ("metadata.csv", "metadata.jsonl")


class Files(Protocol):
    """What readers need of a file system."""

    def open(self, path: str) -> BinaryIO:
        """Open for reading; raises OSError."""

    def list(self, pattern: str) -> list[str]:
        """Files that match a glob pattern, sorted."""

    def is_folder(self, path: str) -> bool:
        """Whether `path` is a folder."""

    def exists(self, path: str) -> bool:
        """Whether `path` is a file or a folder."""


class LocalFiles:
    """The machine's own files."""

    def open(self, path: str) -> BinaryIO:
        """See `Files`."""
        return open(path, "rb")

    def list(self, pattern: str) -> list[str]:
        """See `Files`."""
        return sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())

    def is_folder(self, path: str) -> bool:
        """See `Files`."""
        return Path(path).is_dir()

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return Path(path).exists()


class RemoteFiles:
    """Any file system that fsspec knows, by the protocol of a URL."""

    def __init__(self, url: str) -> None:
        """Open the file system of `url`.

        Raises:
            MissingExtraError: fsspec, or the package it needs for this protocol, is not installed.
            InputError: an unknown protocol.
        """
        try:
            import fsspec
        except ImportError:
            raise MissingExtraError(url, "a URL without fsspec", "pip install 'packshot[data]'") from None
        try:
            self._files: Any = fsspec.core.url_to_fs(url)[0]
        except ImportError as error:
            raise MissingExtraError(url, str(error), "the package that fsspec names for this protocol") from None
        except ValueError as error:
            raise InputError(url, str(error), "a protocol that fsspec knows") from None

    def open(self, path: str) -> BinaryIO:
        """See `Files`."""
        return cast(BinaryIO, self._files.open(path, "rb"))

    def list(self, pattern: str) -> list[str]:
        """See `Files`."""
        return sorted(self._files.unstrip_protocol(path) for path in self._files.glob(pattern))

    def is_folder(self, path: str) -> bool:
        """See `Files`."""
        return bool(self._files.isdir(path))

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return bool(self._files.exists(path))


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """One file of a catalogue.

    Attributes:
        path: local path or URL.
        kind: how it is read.
        files: its file system.
    """

    path: str
    kind: Kind
    files: Files

    @property
    def folder(self) -> str:
        """What relative picture names start from."""
        return self.path.rpartition("/")[0] if "/" in self.path else "."


def find_catalogue(source: str) -> list[CatalogueFile]:
    """Find the files of a catalogue and their kinds, by content.

    Args:
        source: a file, folder or glob pattern; local or a URL; or several of them with commas between.

    Raises:
        InputError: nothing there, or nothing of a kind that can be read.
        MissingExtraError: a URL without fsspec.
    """
    if "," in source and not Path(source).exists():
        return [file for part in source.split(",") if part.strip() for file in find_catalogue(part.strip())]
    files: Files = RemoteFiles(source) if "://" in source else LocalFiles()
    try:
        paths = _paths(source, files)
        return [CatalogueFile(path, _kind(path, files), files) for path in paths]
    except OSError as error:
        raise InputError(source, error.strerror or str(error) or type(error).__name__, _KINDS) from None


def _paths(source: str, files: Files) -> Sequence[str]:
    if any(character in source for character in "*?[") and not files.exists(source):
        found = files.list(source)
        if not found:
            raise InputError(source, "a pattern without matches", _KINDS)
        return found
    if not files.exists(source):
        raise InputError(source, "no such file or folder", _KINDS)
    if not files.is_folder(source):
        return [source]
    root = glob.escape(source.rstrip("/"))
    patterns = [tuple(f"{root}/**/{name}" for name in _TABLES), (f"{root}/**/*.parquet",), (f"{root}/**/*.tar",)]
    for group in patterns:
        found = sorted(path for pattern in group for path in files.list(pattern))
        if found:
            return found
    raise InputError(source, "a folder without any of these", _KINDS)


def _kind(path: str, files: Files) -> Kind:
    with files.open(path) as file:
        start = file.read(512)
    if start[:4] == b"PAR1":
        return "parquet"
    if start[257:262] == b"ustar" or start[:2] == b"\x1f\x8b":
        return "webdataset"
    if path.casefold().endswith((".csv", ".tsv", ".jsonl")):
        return "table"
    raise InputError(path, "a file of another kind", _KINDS)
