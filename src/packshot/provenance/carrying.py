"""What an edited picture takes over from the picture that it was made of: its labels, and that a model made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from packshot.errors import InputError
from packshot.images import read_recipe
from packshot.provenance import credentials, mark, visible, xmp
from packshot.provenance.labelling import box_of
from packshot.provenance.metadata import properties_of
from packshot.provenance.origin import TERMS, Origin, of_certificate, of_kind, of_recipe, of_source_type, strongest
from packshot.provenance.policy import KINDS, LABELS
from packshot.provenance.xmp import AIGC, SOURCE_TYPE, VISIBLE_BOX, VISIBLE_WORDS

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Said:
    """What a picture says of its making.

    Attributes:
        origin: as its recipe, labels and mark tell; None where nothing does.
        labels: those of `policy.LABELS` that it has.
        properties: of its XMP, those that go with every picture made of it.
        words: of a visible label that stands where the file says; empty without.
        box: its place, shares of width and height.
        damaged: what could not be read, in words.
    """

    origin: Origin | None
    labels: tuple[str, ...]
    properties: Mapping[xmp.Name, str]
    words: str = ""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    damaged: tuple[str, ...] = ()


def said_by(data: bytes, pixels: Bytes, name: str) -> Said:
    """What a picture of any kind that packshot reads says of its making.

    A mark is looked for as it lies; where anything else tells that a model was at work, also as it lies after
    cropping, which takes ten times as long.

    Args:
        data: the file.
        pixels: (H, W, 3 or 4), what it decodes to.
        name: of the file, for messages.
    """
    damaged: list[str] = []
    recipe, found = None, {}
    try:
        recipe = of_recipe(read_recipe(data, where=name))
        found = properties_of(data, name)
    except InputError as error:
        damaged.append(error.got)
    words, box = found.get(VISIBLE_WORDS, ""), box_of(found.get(VISIBLE_BOX))
    seen = bool(words) and box is not None and visible.is_seen(pixels, words, box)
    told = [recipe, of_source_type(found.get(SOURCE_TYPE)), of_kind("generated") if AIGC in found else None]
    there = mark.read(pixels, cropped=any(told))
    if there is not None and there.payload.kind < len(KINDS):
        told.append(of_kind(KINDS[there.payload.kind]))
    has = {
        "visible": seen,
        "aigc": AIGC in found,
        "iptc": SOURCE_TYPE in found,
        "c2pa": _has_credentials(data, name),
        "mark": there is not None,
    }
    return Said(
        _named(told, has),
        tuple(label for label in LABELS if has[label]),
        {key: value for key, value in found.items() if key in (AIGC, SOURCE_TYPE) or _tells_of_a_model(key)},
        words if seen else "",
        box if seen and box is not None else (0.0, 0.0, 0.0, 0.0),
        tuple(damaged),
    )


def carried(
    said: Said, steps: Sequence[Mapping[str, Any]], out: Bytes, at: tuple[int, int], size: tuple[int, int]
) -> dict[xmp.Name, str]:
    """Properties for the XMP of the picture that was made of it; none where it said nothing.

    Args:
        said: by the picture before.
        steps: of the edit, as its certificate lists them.
        out: (H, W, 3 or 4), the picture made of it.
        at: (top, left) of the picture before within `out`, if it was not resampled.
        size: (height, width) of the picture before.
    """
    if said.origin is None:
        return {}
    values = dict(said.properties)
    origin = strongest([said.origin, of_certificate({"steps": steps})])
    if said.properties.get(SOURCE_TYPE, "").rpartition("/")[2] != origin.source_type:
        values[SOURCE_TYPE] = TERMS + origin.source_type
    if said.words:
        box = _moved(said.box, at, size, out.shape[:2])
        if box is not None and visible.is_seen(out, said.words, box):
            values[VISIBLE_WORDS], values[VISIBLE_BOX] = said.words, " ".join(f"{side:.5f}" for side in box)
    return values


def with_labels(data: bytes, values: Mapping[xmp.Name, str], name: str) -> bytes:
    """A JPEG, PNG or WebP file with these properties in its XMP; as it came where there are none."""
    if not values:
        return data
    return xmp.write_packet(data, xmp.with_properties(xmp.read_packet(data, name), values, name), name)


def account(before: Said, after: Said | None) -> dict[str, Any] | None:
    """For a certificate: what the picture before was, which of its labels the one after has, and which not.

    Args:
        before: None of its `origin`, damage or labels: None is the answer.
        after: None where nobody has looked, as there was nothing to keep.
    """
    if before.origin is None and not before.labels and not before.damaged:
        return None
    kept = set(before.labels) & set(after.labels if after is not None else ())
    known = before.origin
    return {
        "kind": None if known is None else known.kind,
        "source_type": None if known is None else known.source_type,
        "why": None if known is None else known.why,
        "kept": [label for label in before.labels if label in kept],
        "lost": [label for label in before.labels if label not in kept],
        "damaged": list(before.damaged),
    }


def _named(told: Sequence[Origin | None], has: Mapping[str, bool]) -> Origin | None:
    """The strongest, saying of labels which of them told."""
    known = [origin for origin in told if origin is not None]
    if not known:
        return None
    best = strongest(known)
    sources = ["its recipe"] if best.why.startswith("its recipe") else []
    labels = {"iptc": "DigitalSourceType", "aigc": "AIGC label", "mark": "mark"}
    sources += [f"its {text}" for key, text in labels.items() if has[key]]
    return Origin(best.kind, best.source_type, best.why if best.steps else ", ".join(sources), best.steps)


def _tells_of_a_model(key: xmp.Name) -> bool:
    """AISystemUsed and its like (IPTC Photo Metadata Standard 2025.1)."""
    return key[0] == xmp.IPTC_EXT and key[1].startswith("AI")


def _has_credentials(data: bytes, name: str) -> bool:
    if not xmp.is_known(data):
        return b"jumb" in data and b"c2pa" in data  # a JUMBF box, wherever the format keeps it
    return credentials.are_in(data, name)


def _moved(
    box: tuple[float, float, float, float], at: tuple[int, int], size: tuple[int, int], now: Sequence[int]
) -> tuple[float, float, float, float] | None:
    """A place in the picture before as one in the picture after; None where it is no longer whole."""
    (top, left), (height, width) = at, size
    sides = (
        (box[0] * width + left) / now[1],
        (box[1] * height + top) / now[0],
        (box[2] * width + left) / now[1],
        (box[3] * height + top) / now[0],
    )
    return sides if min(sides) >= 0 and max(sides) <= 1 else None
