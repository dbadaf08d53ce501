"""What clients send is believed only as far as it decodes."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import BinaryIO

from PIL import Image

from packshot.images import opened, picture_size
from packshot.server.assets import NewAsset
from packshot.server.problems import ProblemError

_ODD = re.compile(r"[^\w.\- ]")


def checked_picture(stream: BinaryIO, name: str, most_bytes: int, owner: str) -> NewAsset:
    """An upload that is a picture, as an asset; in one of the threads for that, see `threads.py`.

    Args:
        stream: of its content.
        name: as the client calls it; only its last part is kept, without odd characters.
        most_bytes: that are taken.
        owner: id of the key.

    Raises:
        ProblemError: too many bytes, or none.
        InputError: no picture, or one with too many pixels, by its content.
    """
    data, shown = _limited(stream, most_bytes), plain_name(name)
    size = picture_size(data, where=shown)
    with opened(data, shown) as image:
        media_type = Image.MIME.get(image.format or "", "application/octet-stream")
    return NewAsset("upload", shown, media_type, data, size, shown.casefold(), {}, owner)


def checked_document(stream: BinaryIO, name: str, most_bytes: int, owner: str) -> NewAsset:
    """An upload that is a JSON object, such as a certificate, as an asset; arguments are those of `checked_picture`.

    Raises:
        ProblemError: too many bytes, or no JSON object.
    """
    data, shown = _limited(stream, most_bytes), plain_name(name)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProblemError(415, "refused", f"{shown}: got no JSON object; accepted: one, such as a certificate")
    return NewAsset("file", shown, "application/json", data, words=shown.casefold(), owner=owner)


def plain_name(name: str) -> str:
    """The last part of a name as a client gives it, without odd characters."""
    return _ODD.sub("_", PurePosixPath(name.replace("\\", "/")).name)[-120:] or "picture"


def _limited(stream: BinaryIO, most_bytes: int) -> bytes:
    data = stream.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ProblemError(413, "too_large", f"the file has more than {most_bytes / 1e6:,.0f} MB")
    return data
