"""ZIP files in and out: what clients send is unpacked with suspicion, what they fetch is packed while it is sent."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from packshot.errors import InputError
from packshot.listing.names import same_file

MOST_FILES = 50_000
_DEEPEST, _LONGEST_PART, _LONGEST_NAME = 12, 200, 800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED, _UTF8 = 0x1, 0x800
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, NotImplementedError, EOFError, OverflowError,
    ValueError,
)  # fmt: skip
_LONGEST_ROW = 1_200
_INDEX_BYTES = 5
"""Of the record at an archive's end, as `zipfile` reads it."""

_PLAIN = "a ZIP of plain files and folders, as file managers make it"


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold.

    Attributes:
        files: at the most, those that are passed over included.
        bytes: of all of them, unpacked.
    """

    files: int
    bytes: int


def is_zip(stream: BinaryIO) -> bool:
    """Whether a file begins as ZIP files do; its position stays."""
    start = stream.read(4)
    stream.seek(-len(start), io.SEEK_CUR)
    return start in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(stream: BinaryIO, into: Path, limits: Limits, wanted: Callable[[str], bool], where: str) -> list[str]:
    """Unpack the files that are wanted into a folder of their own.

    Every name is looked at before anything is written, and bytes are counted as they come, since what an archive
    says of its sizes may be a lie.

    Args:
        stream: of the archive, seekable.
        into: an empty folder.
        limits: see there.
        wanted: whether a file of that name is unpacked; others are passed over.
        where: what to call the archive in errors.

    Returns:
        Relative names of what was unpacked.

    Raises:
        InputError: no ZIP, too much in it, or a name that leads elsewhere: absolute, with `..`, a link.
    """
    try:
        _refuse_long_index(stream, limits, where)
        with zipfile.ZipFile(stream) as archive:
            rows = archive.infolist()
            if len(rows) > limits.files:
                raise InputError(where, f"{len(rows):,} files", f"at most {limits.files:,}")
            chosen = _chosen(rows, wanted, where)
            if (stated := sum(row.file_size for _, row in chosen)) > limits.bytes:
                raise InputError(where, _megabytes(stated), f"at most {_megabytes(limits.bytes)}")
            left = limits.bytes
            for name, row in chosen:
                left -= _write(archive, row, into / name, left, f"{where}: {name}")
    except _DAMAGED as error:
        raise InputError(where, f"a damaged ZIP ({str(error)[:80]})", _PLAIN) from None
    return [name for name, _ in chosen]


def weigh(stream: BinaryIO, limits: Limits, where: str) -> None:
    """Look at an archive that another program will read, a workbook for instance; errors are those of `unpack`."""
    try:
        _refuse_long_index(stream, limits, where)
        with zipfile.ZipFile(stream) as archive:
            rows = archive.infolist()
    except _DAMAGED as error:
        raise InputError(where, f"a damaged ZIP ({str(error)[:80]})", _PLAIN) from None
    for row in rows:
        _refuse_odd(row, _name(row), where)
    if len(rows) > limits.files or (stated := sum(row.file_size for row in rows)) > limits.bytes:
        got = f"{len(rows):,} parts" if len(rows) > limits.files else _megabytes(stated)
        raise InputError(where, got, f"at most {limits.files:,} parts and {_megabytes(limits.bytes)}")


def packed(files: Iterable[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """A ZIP of files, piece by piece; pictures are stored as they are, since they are packed already."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, content in files:
            row = zipfile.ZipInfo(name)
            row.external_attr = (stat.S_IFREG | 0o644) << 16
            with (
                io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source,
                archive.open(row, "w", force_zip64=True) as target,
            ):
                while piece := source.read(_PIECE):
                    target.write(piece)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()


class _Pipe:
    """Looks to `zipfile` like a file that can't be sought in."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _refuse_long_index(stream: BinaryIO, limits: Limits, where: str) -> None:
    """Before `zipfile` reads the whole index, which may be as long as the file, into memory."""
    end = zipfile._EndRecData(stream)  # type: ignore[attr-defined]
    if end and end[_INDEX_BYTES] > limits.files * _LONGEST_ROW:
        raise InputError(where, f"an index of {end[_INDEX_BYTES]:,} bytes", f"at most {limits.files:,} files")


def _chosen(
    rows: Iterable[zipfile.ZipInfo], wanted: Callable[[str], bool], where: str
) -> list[tuple[str, zipfile.ZipInfo]]:
    chosen: dict[str, tuple[str, zipfile.ZipInfo]] = {}
    for row in rows:
        name = _name(row)
        _refuse_odd(row, name, where)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
        if row.is_dir() or hidden or not wanted(name):
            continue
        if chosen.setdefault(same_file(name), (name, row))[1] is not row:
            raise InputError(where, f"two files '{name[:80]}'", "each once")
    return list(chosen.values())


def _name(row: zipfile.ZipInfo) -> str:
    """As it was meant: names that are not marked as UTF-8 mostly are that or GBK."""
    if row.flag_bits & _UTF8:
        return row.filename
    try:
        raw = row.filename.encode("cp437")
    except UnicodeEncodeError:
        return row.filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return row.filename


def _refuse_odd(row: zipfile.ZipInfo, name: str, where: str) -> None:
    shown = f"'{name[:80]}'"
    parts = name.rstrip("/").split("/")
    leads_away = name.startswith("/") or "\\" in name or _DRIVE.match(name) or any(p in ("", ".", "..") for p in parts)
    if leads_away or not name.isprintable():
        raise InputError(where, f"the name {shown}", f"names within the archive; {_PLAIN}")
    if len(parts) > _DEEPEST or max(len(part.encode()) for part in parts) > _LONGEST_PART or len(name) > _LONGEST_NAME:
        raise InputError(where, f"the name {shown}", f"at most {_DEEPEST} folders and {_LONGEST_PART} bytes a part")
    kind = stat.S_IFMT(row.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(where, f"{shown}, which is a link or a device", _PLAIN)
    if row.flag_bits & _ENCRYPTED:
        raise InputError(where, f"{shown}, which is encrypted", _PLAIN)
    if not row.is_dir() and row.compress_type not in _METHODS:
        raise InputError(where, f"{shown}, packed by method {row.compress_type}", "stored or deflated files")


def _write(archive: zipfile.ZipFile, row: zipfile.ZipInfo, path: Path, most: int, where: str) -> int:
    """Unpack one file; its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(row) as source, path.open("xb") as target:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > most:
                raise InputError(where, "more bytes than it says", _PLAIN)
            target.write(piece)
    return written


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB unpacked"
