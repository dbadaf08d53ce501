"""Names of the files of a set, out of a template: safe on any file system and object store."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from string import Formatter

from packshot.errors import RequestError

TEMPLATE = "{sku}/{channel}/{role}-{n}.{ext}"
FIELDS = ("sku", "channel", "role", "n", "ext", "parent", "path", "key")
_TELLING = ("sku", "channel", "role", "n")
_LONGEST_PART = 80
_LONGEST_NAME = 400
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_template(template: str) -> None:
    """Refuse a template that can't give each picture a name of its own below one folder.

    Raises:
        RequestError: broken, an unknown field, or a field that is needed is missing.
    """
    accepted = f"fields {', '.join(f'{{{field}}}' for field in FIELDS)} in a relative path, such as {TEMPLATE}"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise RequestError("name template", f"'{template}' ({error})", accepted) from None
    fields = [field for _, field, _, _ in parts if field is not None]
    unknown = [field for field in fields if field not in FIELDS]
    plain = all(not form and not conversion for _, field, form, conversion in parts if field is not None)
    fixed = "".join(literal for literal, *_ in parts)
    climbs = any(part in ("", ".", "..") for part in template.split("/"))
    if unknown or not plain or climbs or "\\" in fixed or not all(map(_is_safe, fixed.replace("/", ""))):
        raise RequestError("name template", f"'{template}'", accepted)
    lacking = [field for field in _TELLING if field not in fields] if "key" not in fields else []
    if lacking or not template.endswith(".{ext}"):
        named = " and ".join(f"{{{field}}}" for field in lacking) or "{ext} at its end"
        raise RequestError(
            "name template", f"'{template}' without {named}", f"all of {TEMPLATE}, or {{key}} and .{{ext}}"
        )


def name_of(template: str, values: Mapping[str, str]) -> str:
    """Fill a checked template; characters that file systems or URLs object to become low lines.

    Raises:
        RequestError: longer than `_LONGEST_NAME` bytes.
    """
    name = template.format_map({field: safe_part(value) for field, value in values.items()})
    name = "/".join(f"_{part}" if _RESERVED.fullmatch(part) else part for part in name.split("/"))
    if len(name.encode()) > _LONGEST_NAME:
        raise RequestError("name template", f"a name of {len(name.encode())} bytes", f"at most {_LONGEST_NAME}")
    return name


def safe_part(text: str) -> str:
    """Letters of any script, digits, and . _ - stay; long texts are cut and end with a hash of the whole."""
    plain = "".join(character if _is_safe(character) else "_" for character in unicodedata.normalize("NFC", text))
    plain = re.sub(r"^\.+|\.+$", "_", plain) or "_"
    if len(plain.encode()) > _LONGEST_PART:
        start = plain.encode()[: _LONGEST_PART - 9].decode(errors="ignore")
        plain = f"{start}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return plain


def same_file(name: str) -> str:
    """Equal for names that some file system takes for one file: case and the spelling of accents do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_safe(character: str) -> bool:
    return character in "._-" or unicodedata.category(character)[0] in "LN"
