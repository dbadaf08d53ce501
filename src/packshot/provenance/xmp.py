"""XMP packets in JPEG, PNG and WebP files (XMP Specification Part 3), put in without touching a pixel or another label.

Knows the names of properties that are labels, and none of their values; `labelling.py` and `reading.py` do.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from PIL import Image

from packshot.errors import InputError, OutputError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
PACKSHOT = "urn:packshot:labels:1"
"""Namespace of what only we read: where the visible label stands."""

_META = "adobe:ns:meta/"
_PREFIXES = {
    "x": _META,
    "rdf": RDF,
    "Iptc4xmpExt": IPTC_EXT,
    "TC260": TC260,
    "packshot": PACKSHOT,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
}
for _prefix, _uri in _PREFIXES.items():
    ElementTree.register_namespace(_prefix, _uri)

_JPEG_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_LIMIT = 65_533 - len(_JPEG_HEADER)
_PNG_KEYWORD = b"XML:com.adobe.xmp"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_WEBP_XMP, _WEBP_ALPHA = 0x04, 0x10  # flags of VP8X (RFC 9649, section 2.7)
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END = '\n<?xpacket end="w"?>'
_ACCEPTED = "a JPEG, PNG or WebP file, complete"

Name = tuple[str, str]
"""Namespace and local name of a property."""

SOURCE_TYPE = (IPTC_EXT, "DigitalSourceType")
AIGC = (TC260, "AIGC")
VISIBLE_WORDS, VISIBLE_BOX = (PACKSHOT, "VisibleLabel"), (PACKSHOT, "VisibleBox")


class _Part(NamedTuple):
    """A segment or chunk: its kind, where it begins and ends in the file, and where its content does."""

    kind: bytes
    start: int
    end: int
    body: slice


def kind_of(data: bytes, where: object) -> str:
    """`jpeg`, `png` or `webp`.

    Raises:
        InputError: another kind of file.
    """
    kind = _kind(data)
    if kind is None:
        raise InputError(where, "another kind of file", _ACCEPTED)
    return kind


def is_known(data: bytes) -> bool:
    """Whether a file is of a kind that this module reads and writes."""
    return _kind(data) is not None


def _kind(data: bytes) -> str | None:
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:8] == _PNG_START:
        return "png"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def read_packet(data: bytes, where: object) -> str | None:
    """The XMP packet of a file's bytes, or None.

    Raises:
        InputError: no such picture, or damaged.
    """
    found = next((part for part in _parts(data, where) if _is_xmp(data, part)), None)
    if found is None:
        return None
    body = data[found.body]
    if found.kind == b"iTXt":
        body = _png_text(body, where)
    elif found.kind == b"\xe1":
        body = body[len(_JPEG_HEADER) :]
    return body.decode("utf-8", errors="replace").strip("\0")


def write_packet(data: bytes, packet: str, where: object) -> bytes:
    """The file's bytes with this XMP packet in place of the one it has; everything else stays byte for byte.

    Raises:
        InputError: no such picture, or damaged.
        OutputError: the packet is too long for JPEG.
    """
    kind, body = kind_of(data, where), packet.encode()
    parts = list(_parts(data, where))
    kept = b"".join  # the parts are laid together again without the old packet
    if kind == "webp":
        return _with_webp(data, parts, body)
    if kind == "png":
        content = _PNG_KEYWORD + b"\0\0\0\0\0" + body
        chunk = struct.pack(">I", len(content)) + b"iTXt" + content
        made = chunk + struct.pack(">I", zlib.crc32(chunk[4:]))
        at = 1  # after IHDR
    else:
        if len(body) > _JPEG_LIMIT:
            raise OutputError(where, f"metadata of {len(body):,} bytes", f"at most {_JPEG_LIMIT:,} in JPEG")
        content = _JPEG_HEADER + body
        made = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
        at = next(i for i, part in enumerate(parts) if not _leads(data, part))
    before = kept(data[p.start : p.end] for p in parts[:at] if not _is_xmp(data, p))
    after = kept(data[p.start : p.end] for p in parts[at:] if not _is_xmp(data, p))
    return data[: parts[0].start] + before + made + after + data[parts[-1].end :]


def with_properties(packet: str | None, values: Mapping[Name, str], where: object) -> str:
    """The packet with these simple properties set; every other property stays.

    Raises:
        InputError: the packet is damaged.
    """
    root = _parsed(packet, where)
    description = root.find(f".//{{{RDF}}}Description")
    if description is None:
        rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f".//{{{RDF}}}RDF")
        if rdf is None:
            rdf = ElementTree.SubElement(root, f"{{{RDF}}}RDF")
        description = ElementTree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    for (space, name), value in values.items():
        tag = f"{{{space}}}{name}"
        for holder in root.iter(f"{{{RDF}}}Description"):
            holder.attrib.pop(tag, None)
            for old in holder.findall(tag):
                holder.remove(old)
        ElementTree.SubElement(description, tag).text = value
    return _BEGIN + ElementTree.tostring(root, encoding="unicode") + _END


def properties(packet: str | None, where: object) -> dict[Name, str]:
    """Every simple property of a packet, written as an attribute or as an element.

    Raises:
        InputError: the packet is damaged.
    """
    found: dict[Name, str] = {}
    if packet is None:
        return found
    for description in _parsed(packet, where).iter(f"{{{RDF}}}Description"):
        texts = [(tag, value) for tag, value in description.attrib.items()]
        texts += [(child.tag, _simple(child)) for child in description]
        for tag, value in texts:
            space, closed, name = tag.removeprefix("{").partition("}")
            if closed and value:
                found.setdefault((space, name), value)
    return found


def _simple(element: ElementTree.Element) -> str:
    """An element's text; of a list with one entry that entry's; a URI may stand in rdf:resource."""
    items = list(element.iter(f"{{{RDF}}}li"))
    text = items[0].text if items else element.text
    return (text or "").strip() or element.attrib.get(f"{{{RDF}}}resource", "")


def _parsed(packet: str | None, where: object) -> ElementTree.Element:
    if packet is None:
        return ElementTree.Element(f"{{{_META}}}xmpmeta")
    if "<!DOCTYPE" in packet or "<!ENTITY" in packet:  # entities are how XML bombs are built, and XMP has none
        raise InputError(where, "XMP with a document type", "a plain XMP packet")
    try:
        return ElementTree.fromstring(packet.strip().removeprefix("\ufeff"))
    except ElementTree.ParseError as error:
        raise InputError(where, f"damaged XMP ({error})", "a well-formed XMP packet") from None


def _parts(data: bytes, where: object) -> Iterator[_Part]:
    walk = {"jpeg": _jpeg_parts, "png": _png_parts, "webp": _webp_parts}[kind_of(data, where)]
    try:
        yield from walk(data)
    except (struct.error, IndexError, ValueError):
        raise InputError(where, "a damaged file", _ACCEPTED) from None


def _jpeg_parts(data: bytes) -> Iterator[_Part]:
    """The segments before the picture's own data, which is the last part."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker")
        if data[at + 1] == 0xFF:  # fill bytes may precede any marker
            at += 1
            continue
        if data[at + 1] == 0xDA:
            yield _Part(b"\xda", at, len(data), slice(at, len(data)))
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        yield _Part(data[at + 1 : at + 2], at, end, slice(at + 4, end))
        at = end


def _leads(data: bytes, part: _Part) -> bool:
    """Whether a segment of JPEG has its place before XMP: JFIF and Exif, which readers expect first."""
    return part.kind == b"\xe0" or (part.kind == b"\xe1" and data[part.body][:4] == b"Exif")


def _png_parts(data: bytes) -> Iterator[_Part]:
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("cut off")
        yield _Part(data[at + 4 : at + 8], at, end, slice(at + 8, end - 4))
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise ValueError("no end")


def _webp_parts(data: bytes) -> Iterator[_Part]:
    at = 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        end = min(at + 8 + length + length % 2, len(data))
        if at + 8 + length > len(data):
            raise ValueError("cut off")
        yield _Part(data[at : at + 4], at, end, slice(at + 8, at + 8 + length))
        at = end
    if at == 12:
        raise ValueError("no chunk")


def _is_xmp(data: bytes, part: _Part) -> bool:
    if part.kind == b"\xe1":
        return data[part.body].startswith(_JPEG_HEADER)
    if part.kind == b"iTXt":
        return data[part.body].startswith(_PNG_KEYWORD + b"\0")
    return part.kind == b"XMP "


def _png_text(body: bytes, where: object) -> bytes:
    """The text of an iTXt chunk (PNG, section 11.3.4.5)."""
    rest = body[len(_PNG_KEYWORD) + 1 :]
    compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    if not compressed:
        return text
    try:
        unpacked = zlib.decompressobj().decompress(text, 4_000_000)
    except zlib.error as error:
        raise InputError(where, f"damaged XMP ({error})", _ACCEPTED) from None
    return unpacked


def _with_webp(data: bytes, parts: list[_Part], body: bytes) -> bytes:
    chunks = {part.kind: part for part in parts}
    header = b""
    if b"VP8X" in chunks:
        content = bytearray(data[chunks[b"VP8X"].body])
        content[0] |= _WEBP_XMP
    else:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            width, height = image.size
            flags = _WEBP_XMP | (_WEBP_ALPHA if image.has_transparency_data else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        content = bytearray(bytes([flags, 0, 0, 0]) + sides)
    header = _chunk(b"VP8X", bytes(content))
    kept = b"".join(data[p.start : p.end] for p in parts if p.kind not in (b"VP8X", b"XMP "))
    inner = b"WEBP" + header + kept + _chunk(b"XMP ", body)
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
