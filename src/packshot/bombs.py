"""Pictures that cost far more than they weigh, told by how they are built before a decoder looks at them.

A limit on pixels is not enough: a progressive JPEG may go over the same pixels again a hundred thousand times in a
hundred bytes each, and what is said of a picture may come in millions of empty parts, each of which costs Python time.
"""

from __future__ import annotations

import re

MOST_SCANS = 50
"""Of a JPEG; encoders make 1 to 20 (libjpeg-turbo advises a limit, too)."""

MOST_PARTS = 50_000
"""Segments of a JPEG, chunks of a PNG: 60 MB in the chunks of 8 kB that libpng makes are 7,500."""

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
COUNTED = (_JPEG, _PNG)
"""How files begin whose parts are counted."""

_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
"""Of JPEG (ITU-T T.81, table B.1), but those within the data of a scan: stuffed bytes and restarts."""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


def excess(data: bytes) -> tuple[str, str] | None:
    """What a file has too much of, and how much of it is accepted; None where nothing is odd.

    Args:
        data: of a file of any kind.
    """
    if data.startswith(_JPEG):
        return _of_jpeg(data)
    if data.startswith(_PNG):
        return _of_png(data)
    return None


def _of_jpeg(data: bytes) -> tuple[str, str] | None:
    at, scans, parts = 2, 0, 0
    while (found := _MARKER.search(data, at)) is not None and (marker := found[1][0]) != _END_OF_IMAGE:
        scans += marker == _START_OF_SCAN
        parts += 1
        if scans > MOST_SCANS:
            return f"a JPEG with more than {MOST_SCANS} scans", f"at most {MOST_SCANS}"
        if parts > MOST_PARTS:
            return f"a JPEG with more than {MOST_PARTS:,} segments", f"at most {MOST_PARTS:,}"
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2], "big"))
    return None


def _of_png(data: bytes) -> tuple[str, str] | None:
    at = 8
    for _ in range(MOST_PARTS):
        if at + 12 > len(data):
            return None
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return f"a PNG with more than {MOST_PARTS:,} chunks", f"at most {MOST_PARTS:,}"
