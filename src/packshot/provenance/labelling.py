"""Put the labels that a policy decided on into a file: mark, words, metadata, credentials, in this order.

What a picture has is kept: metadata by others, an AIGC label's producer, a stronger source type, an earlier mark, and
earlier credentials as those of an ingredient.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngImageFile, PngInfo

from packshot.errors import InputError, RequestError
from packshot.images import open_layers, opened
from packshot.provenance import credentials, mark, visible, xmp
from packshot.provenance.aigc import IS, Aigc
from packshot.provenance.metadata import properties_of
from packshot.provenance.origin import TERMS, Origin, of_source_type, rank, strongest
from packshot.provenance.policy import BACKGROUND, KINDS, Decision
from packshot.provenance.xmp import AIGC, SOURCE_TYPE, VISIBLE_BOX, VISIBLE_WORDS

Bytes = NDArray[np.uint8]

UNNAMED = "packshot"
"""ContentProducer where nobody has said who runs it; the one producer that a later label replaces by a name."""

RELABELLED_WEBP = 92
"""Quality of a lossy WebP whose pixels a label has changed: its file does not tell with which one it was made."""

Marking = Callable[[Bytes, mark.Payload, NDArray[np.bool_] | None], mark.Found | mark.Marked]
"""(H, W, 3 or 4) pixels, what the mark says, where no pixel may change -> the mark that is there, or pixels with it."""


def marked(pixels: Bytes, payload: mark.Payload, protect: NDArray[np.bool_] | None) -> mark.Found | mark.Marked:
    """The mark that is in a picture already, else the picture with this one."""
    return mark.read(pixels) or mark.embed(pixels, payload, protect=protect)


def marked_anew(pixels: Bytes, payload: mark.Payload, protect: NDArray[np.bool_] | None) -> mark.Found | mark.Marked:
    """The picture with this mark, of one that is known to have none."""
    return mark.embed(pixels, payload, protect=protect)


@dataclass(frozen=True, slots=True)
class Wish:
    """What labels say, beyond what the policy decides.

    Attributes:
        producer: `ContentProducer`: name or code of whoever runs packshot.
        produce_id: number of this picture; if empty that of the AIGC label that it has, else from the file's digest.
        propagator: `ContentPropagator`, where the labeller also spreads the picture.
        propagate_id: its number.
        words: of the visible label.
        signer: for content credentials; None where there is none.
        parent: the file that an edited picture was made from; where it has credentials, they are kept as those of an
            ingredient.
        protect: (H, W), True where the mark must change no pixel; None where the product's place is not known.
        marking: how marks are set: by `marked`, or by what remembers what that gave.
    """

    producer: str
    produce_id: str = ""
    propagator: str = ""
    propagate_id: str = ""
    words: str = visible.WORDS
    signer: credentials.Signer | None = None
    parent: bytes | None = None
    protect: NDArray[np.bool_] | None = None
    marking: Marking = marked


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled file.

    Attributes:
        data: its bytes; those that came where nothing was to be set.
        record: for the manifest: origin, file before and after, and for each label the decision and what came of it.
    """

    data: bytes
    record: Mapping[str, Any]


def label(data: bytes, name: str, origin: Origin, decisions: Sequence[Decision], wish: Wish) -> Labelled:
    """Set labels.

    Args:
        data: a JPEG, PNG or WebP file.
        name: of the file, for messages and credentials.
        origin: how the picture came about; what labels in the file say more is believed instead.
        decisions: of `Policy.decide`, for `origin.kind`.
        wish: see there.

    Raises:
        InputError: no such picture, or its metadata is damaged.
        RequestError: credentials that would be broken, words that the standard refuses, no producer named.
        MissingExtraError: the font or c2pa-python is not installed and needed.
    """
    had_credentials = credentials.are_in(data, name)
    if had_credentials and wish.signer is None:
        raise RequestError(name, "content credentials, which new labels would break", "--cert and --key to sign anew")
    found = properties_of(data, name)
    origin = strongest([origin, of_source_type(found.get(SOURCE_TYPE))])
    produce_id = wish.produce_id or _number_in(found) or hashlib.sha256(data).hexdigest()[:32]
    work = _Work(data, name, origin, replace(wish, produce_id=produce_id), dict(found))
    rows = {decision.label: {**decision.as_dict(), **work.set(decision)} for decision in decisions}
    out = work.encoded()
    if "c2pa" in rows and wish.signer is not None and (rows["c2pa"]["set"] or had_credentials):
        earlier = data if had_credentials else wish.parent
        signed = earlier is not None and xmp.is_known(earlier) and credentials.are_in(earlier, name)
        parent = earlier if signed else None
        rows["c2pa"] |= {
            "done": True,
            "outcome": "signed; earlier credentials kept" if parent else "signed",
            "certificate_sha256": wish.signer.fingerprints[0],
            "sha256_unsigned": hashlib.sha256(out).hexdigest(),
        }
        out = credentials.sign(out, wish.signer, origin, title=name, parent=parent)
    record = {
        "file": name,
        "origin": origin.as_dict(),
        "produce_id": produce_id,
        "sha256_before": hashlib.sha256(data).hexdigest(),
        "sha256": hashlib.sha256(out).hexdigest(),
        "labels": list(rows.values()),
    }
    return Labelled(out, record)


def _number_in(found: Mapping[xmp.Name, str]) -> str:
    """ProduceID of the AIGC label that a picture has; empty without, or where it is damaged."""
    try:
        return Aigc.from_json(found[AIGC], "AIGC").produce_id
    except (KeyError, InputError):
        return ""


class _Work:
    """One file on its way: pixels that are opened when a label needs them, and properties to write."""

    def __init__(self, data: bytes, name: str, origin: Origin, wish: Wish, found: dict[xmp.Name, str]) -> None:
        self.data, self.name, self.origin, self.wish, self.found = data, name, origin, wish, found
        self.properties: dict[xmp.Name, str] = {}
        self.before: Bytes | None = None
        self.pixels: Bytes | None = None

    def set(self, decision: Decision) -> dict[str, Any]:
        """What came of a decision: `done`, `outcome` in words, and details."""
        if decision.set is False:
            kept = decision.label in ("visible", "aigc", "iptc") and self._has(decision.label)
            return {"done": kept, "outcome": "kept as it came" if kept else "not set"}
        setters: dict[str, Callable[[Decision], dict[str, Any]]] = {
            "visible": self._visible,
            "aigc": self._aigc,
            "iptc": self._iptc,
            "mark": self._mark,
            "c2pa": self._credentials,
        }
        return setters[decision.label](decision)

    def encoded(self) -> bytes:
        """The file with new pixels, if they changed, and new properties."""
        out = self.data
        if self.pixels is not None and self.before is not None and not np.array_equal(self.pixels, self.before):
            out = reencoded(self.data, self.pixels, self.name)
        if self.properties:
            packet = xmp.with_properties(xmp.read_packet(self.data, self.name), self.properties, self.name)
            out = xmp.write_packet(out, packet, self.name)
        return out

    def _has(self, label_name: str) -> bool:
        return {"visible": VISIBLE_BOX, "aigc": AIGC, "iptc": SOURCE_TYPE}[label_name] in self.found

    def _open(self) -> Bytes:
        if self.pixels is None:
            layers = open_layers(self.data, where=self.name)
            self.before = layers.rgb if layers.alpha is None else np.dstack([layers.rgb, layers.alpha])
            self.pixels = self.before
        return self.pixels

    def _iptc(self, decision: Decision) -> dict[str, Any]:
        had = self.found.get(SOURCE_TYPE, "").rpartition("/")[2]
        if had and rank(had) >= rank(self.origin.source_type):
            return {"done": True, "outcome": "kept as it came", "value": had}
        self.properties[SOURCE_TYPE] = TERMS + self.origin.source_type
        return {"done": True, "outcome": "set", "value": self.origin.source_type}

    def _aigc(self, decision: Decision) -> dict[str, Any]:
        wish, had = self.wish, self.found.get(AIGC)
        if had is None:
            if not wish.producer.strip():
                raise RequestError("--producer", "nothing", "your name or code, which stands in the AIGC label")
            made = Aigc(IS, wish.producer, wish.produce_id, "", wish.propagator, wish.propagate_id)
        else:
            made = Aigc.from_json(had, self.name)
            if wish.propagator and not made.propagator:
                made = replace(made, propagator=wish.propagator, propagate_id=wish.propagate_id)
            if made.producer == UNNAMED and wish.producer.strip():
                made = replace(made, producer=wish.producer)
            if made.as_json() == Aigc.from_json(had, self.name).as_json():
                return {"done": True, "outcome": "kept as it came", "value": had}
        self.properties[AIGC] = made.as_json()
        return {"done": True, "outcome": "set" if had is None else "names added", "value": made.as_json()}

    def _visible(self, decision: Decision) -> dict[str, Any]:
        pixels = self._open()
        box = box_of(self.found.get(VISIBLE_BOX))
        if box is not None and visible.is_seen(pixels, self.found.get(VISIBLE_WORDS, ""), box):
            return {"done": True, "outcome": "kept as it came"}
        self.pixels, drawn = visible.draw(pixels, self.wish.words)
        self.properties[VISIBLE_WORDS] = drawn.words
        self.properties[VISIBLE_BOX] = " ".join(f"{side:.5f}" for side in drawn.box)
        return {"done": True, "outcome": "drawn", **drawn.as_dict()}

    def _mark(self, decision: Decision) -> dict[str, Any]:
        pixels = self._open()
        protect = self.wish.protect if decision.set == BACKGROUND else None
        if decision.set == BACKGROUND and protect is None:
            return {"done": False, "outcome": "not set: where the product is, which must stay as it is, is not known"}
        if protect is not None and protect.shape != pixels.shape[:2]:
            raise RequestError(f"{self.name}: protect", f"a mask of {protect.shape}", f"{pixels.shape[:2]}")
        payload = mark.Payload(KINDS.index(self.origin.kind), mark.number_of(self.wish.produce_id))
        marked = self.wish.marking(pixels, payload, protect)
        if isinstance(marked, mark.Found):
            return {"done": True, "outcome": "kept as it came", "number": marked.payload.number}
        if not marked.readable:
            return {"done": False, "outcome": "not set: too little of the picture may change to carry one"}
        self.pixels = marked.pixels
        return {"done": True, "outcome": "set", "number": payload.number, "psnr": round(marked.psnr, 2)}

    def _credentials(self, decision: Decision) -> dict[str, Any]:
        """Signed at the very end, over everything else."""
        return {"done": False, "outcome": "not set: no certificate was given"}


def box_of(text: str | None) -> tuple[float, float, float, float] | None:
    """The place of a visible label as `_visible` writes it; None for anything else."""
    try:
        left, top, right, bottom = (float(part) for part in (text or "").split())
    except ValueError:
        return None
    return (left, top, right, bottom) if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None


def reencoded(data: bytes, pixels: Bytes, where: str) -> bytes:
    """New pixels in a file of the same kind, with its Exif, texts and JPEG tables; its XMP is the caller's."""
    buffer = io.BytesIO()
    with opened(data, where) as image:
        image.load()
        exif = image.getexif()
        exif.pop(ExifTags.Base.Orientation, None)  # the pixels are upright already
        new = Image.fromarray(pixels)
        if isinstance(image, JpegImageFile):
            new.save(buffer, "JPEG", qtables=image.quantization, subsampling=_sampling(image), exif=exif.tobytes())
        elif isinstance(image, PngImageFile):
            info = PngInfo()
            for key, value in image.text.items():
                if key != "XML:com.adobe.xmp":
                    info.add_itxt(key, str(value))
            new.save(buffer, "PNG", pnginfo=info, exif=exif.tobytes() if len(exif) else b"", compress_level=4)
        elif b"VP8L" in data[:64]:
            new.save(buffer, "WEBP", lossless=True, quality=60, exact=True, exif=exif.tobytes() if len(exif) else b"")
        else:
            new.save(buffer, "WEBP", quality=RELABELLED_WEBP, exif=exif.tobytes() if len(exif) else b"")
    return buffer.getvalue()


def _sampling(image: JpegImageFile) -> int:
    return max(get_sampling(image), 0)  # -1: grey or unusual, where full resolution loses nothing
