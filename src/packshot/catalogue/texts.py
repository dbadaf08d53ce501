"""Text of tables: which encoding a file has, and its lines. Knows nothing of columns.

The encoding is told from the whole file, line by line, so that one damaged row costs itself and not the file, and a
file of any length needs the memory of its longest line.
"""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from packshot.errors import InputError

_ACCEPTED = "UTF-8 (with or without a byte order mark), UTF-16, GBK or GB18030"
_LONGEST_LINE = 16 << 20
_SAMPLE = 1 << 14
_COMMON_SHARE = 0.8
_DAMAGED_SHARE = 0.2

DAMAGED = "\ufffd"
"""Stands in decoded text where bytes were none."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes become text.

    Attributes:
        codec: Python's name.
        name: for people.
        damaged: number of lines with bytes that are not text in it.
    """

    codec: str
    name: str
    damaged: int = 0


def detect_encoding(stream: BinaryIO, where: str) -> Encoding:
    """Tell the encoding of a text file; reads to its end.

    Nearly any bytes are valid GB18030, so what is not UTF-8 must also look Chinese: four fifths of what is beyond ASCII
    in the common characters (GB 2312). Other encodings are refused instead of read as gibberish; but where at most a
    fifth of the lines has anything beyond ASCII, those alone are damaged.

    Raises:
        InputError: another encoding, or a line of more than 16 MiB.
    """
    start = stream.read(_SAMPLE)
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise InputError(where, "a table in UTF-32", _ACCEPTED)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", "UTF-16")
    if b"\0" in start:
        for codec, name in (("utf-16-le", "UTF-16 LE"), ("utf-16-be", "UTF-16 BE")):
            if _reads_as(codec, start):
                return Encoding(codec, f"{name} without a byte order mark")
    return _by_lines(start, stream, where)


def open_text(stream: BinaryIO, encoding: Encoding) -> TextIO:
    """The file's text with its own line ends; what is no text becomes `DAMAGED`."""
    return io.TextIOWrapper(stream, encoding.codec, errors="replace", newline="")


@dataclass(slots=True)
class _Tally:
    """What the lines with bytes beyond ASCII are, and the number of all."""

    every: int = 0
    lines: int = 0
    utf8: int = 0
    chinese: int = 0
    beyond: int = 0
    common: int = 0

    def add(self, line: bytes) -> None:
        self.every += 1
        if line.isascii():
            return
        self.lines += 1
        self.utf8 += _decodes(line, "utf-8")
        if _decodes(line, "gb18030"):
            self.chinese += 1
            beyond = [character for character in line.decode("gb18030") if character > "\x7f"]
            self.beyond += len(beyond)
            self.common += _common(beyond)


def _by_lines(start: bytes, stream: BinaryIO, where: str) -> Encoding:
    tally, rest = _Tally(), start.removeprefix(codecs.BOM_UTF8)
    while rest:
        *lines, last = rest.split(b"\n")
        for line in lines:
            tally.add(line)
        if len(last) > _LONGEST_LINE:
            raise InputError(where, f"a line of more than {_LONGEST_LINE >> 20} MiB", "a table in lines")
        chunk = stream.read(1 << 20)
        if not chunk:
            tally.add(last)
            break
        rest = last + chunk
    marked = start.startswith(codecs.BOM_UTF8)
    if marked or 2 * tally.utf8 > tally.lines or not tally.lines:
        name = "UTF-8 with a byte order mark" if marked else "UTF-8"
        return Encoding("utf-8-sig", name, tally.lines - tally.utf8)
    if 2 * tally.chinese > tally.lines and tally.common >= _COMMON_SHARE * tally.beyond:
        return Encoding("gb18030", "GBK or GB18030", tally.lines - tally.chinese)
    if tally.lines <= _DAMAGED_SHARE * tally.every:
        return Encoding("utf-8-sig", "UTF-8", tally.lines - tally.utf8)
    raise InputError(where, "a table in an unknown encoding", _ACCEPTED)


def _reads_as(codec: str, data: bytes) -> bool:
    text = codecs.getincrementaldecoder(codec)(errors="replace").decode(data)
    beyond = [character for character in text if character > "\x7f"]
    plain = len(text) - len(beyond)
    return bool(text) and "\0" not in text and plain + _common(beyond) >= _COMMON_SHARE * len(text)


def _decodes(line: bytes, codec: str) -> bool:
    try:
        line.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _common(characters: list[str]) -> int:
    return len("".join(characters).encode("gb2312", "ignore").decode("gb2312"))
