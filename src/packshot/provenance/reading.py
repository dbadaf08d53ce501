"""Read every label of a picture back, and say of each whether it is sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from packshot.errors import InputError, MissingExtraError
from packshot.images import open_layers, read_recipe
from packshot.provenance import credentials, mark, visible, xmp
from packshot.provenance.aigc import IS, Aigc
from packshot.provenance.labelling import box_of
from packshot.provenance.metadata import properties_of
from packshot.provenance.origin import Origin, of_kind, of_source_type, strongest
from packshot.provenance.policy import KINDS
from packshot.provenance.xmp import AIGC, SOURCE_TYPE, VISIBLE_BOX, VISIBLE_WORDS

_SENTENCES = {
    "generated": "made by a model",
    "composite": "a product in surroundings that were made",
    "edited": "a photo, or one that was edited",
}


@dataclass(frozen=True, slots=True)
class Labels:
    """What a picture says of itself.

    Attributes:
        source_type: name of IPTC's vocabulary; None without.
        aigc: the label of GB 45438-2025; None without.
        visible: its words; None where none was written, or none stands where the file says.
        mark: kind, number and strength of the imperceptible mark; None without.
        credentials: None without, and where c2pa-python is not installed.
        recipe: whether packshot's recipe is inside.
        problems: what is damaged or does not agree, in words; empty where all is sound.
        notes: what could not be looked at.
    """

    source_type: str | None
    aigc: Aigc | None
    visible: str | None
    mark: mark.Found | None
    credentials: credentials.Credentials | None
    recipe: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is any label at all."""
        return any((self.source_type, self.aigc, self.visible, self.mark, self.credentials))

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        found = None if self.mark is None else {**_said(self.mark), "peak": round(self.mark.peak, 1)}
        return {
            "iptc": self.source_type,
            "aigc": None if self.aigc is None else self.aigc.as_json(),
            "visible": self.visible,
            "mark": found,
            "c2pa": None if self.credentials is None else self.credentials.as_dict(),
            "recipe": self.recipe,
            "problems": list(self.problems),
            "notes": list(self.notes),
        }

    def headline(self) -> str:
        """What all labels and the recipe together say of the picture, in one sentence."""
        told: list[tuple[str, Origin | None]] = [
            ("its recipe", of_kind("generated") if self.recipe else None),
            ("its metadata", of_source_type(self.source_type)),
            ("its AIGC label", of_kind("generated") if self.aigc is not None and self.aigc.label == IS else None),
            ("its mark", of_kind(_kind(self.mark)) if self.mark is not None and _kind(self.mark) in KINDS else None),
        ]
        known = [(name, origin) for name, origin in told if origin is not None]
        if not known:
            return "says nothing of how it was made" if not self.any else "labelled, without a word on how it was made"
        best = strongest(origin for _, origin in known)
        who = [name for name, origin in known if origin.kind == best.kind]
        return f"{_SENTENCES[best.kind]}, says {' and '.join([', '.join(who[:-1]), who[-1]] if who[1:] else who)}"

    def lines(self) -> list[str]:
        """For people, one line for each label."""
        c2pa = self.credentials
        rows = {
            "visible label": self.visible,
            "AIGC (GB 45438)": None if self.aigc is None else self.aigc.as_json(),
            "IPTC source type": self.source_type,
            "C2PA credentials": None if c2pa is None else f"{c2pa.state}, signed by {c2pa.signer or 'nobody known'}",
            "imperceptible mark": None if self.mark is None else "{kind}, number {number}".format(**_said(self.mark)),
        }
        told = [f"{name}: {value or 'none'}" for name, value in rows.items()]
        return [
            self.headline(),
            *told,
            *(f"problem: {text}" for text in self.problems),
            *(f"note: {text}" for text in self.notes),
        ]


def read_labels(data: bytes, name: str, *, anchors: str | None = None) -> Labels:
    """Every label of a JPEG, PNG or WebP file.

    Args:
        data: the file.
        name: of the file, for messages.
        anchors: PEM of trusted roots for credentials; None where only soundness is asked.

    Raises:
        InputError: no such picture.
    """
    problems: list[str] = []
    notes: list[str] = []
    layers = open_layers(data, where=name)
    pixels = layers.rgb if layers.alpha is None else np.dstack([layers.rgb, layers.alpha])
    found = _properties(data, name, problems)
    seen = _seen(found, pixels, problems)
    signed = _credentials(data, name, anchors, problems, notes)
    there = mark.read(pixels)
    recipe = _recipe(data, name, problems)
    labels = Labels(
        found.get(SOURCE_TYPE, "").rpartition("/")[2] or None,
        _aigc(found, name, problems),
        seen,
        there,
        signed,
        recipe,
        (),
        tuple(notes),
    )
    return replace(labels, problems=(*problems, *_disagreements(labels)))


def _disagreements(labels: Labels) -> list[str]:
    """Labels that contradict each other: somebody took one and left another.

    A mark of a generated picture in a composite is none: it may be that of the background.
    """
    stated_kind = of_source_type(labels.source_type)
    told = []
    made = labels.mark if labels.mark is not None and _kind(labels.mark) != "edited" else None
    if made is not None and stated_kind is not None and stated_kind.kind == "edited":
        told.append(f"the mark says {_kind(made)}, DigitalSourceType {labels.source_type}")
    signed = labels.credentials
    stated = signed.source_types if signed is not None and signed.state != "Invalid" else ()
    if stated and labels.source_type and labels.source_type not in stated:
        told.append(f"the credentials say {', '.join(stated)}, DigitalSourceType {labels.source_type}")
    return told


def _properties(data: bytes, name: str, problems: list[str]) -> Mapping[xmp.Name, str]:
    try:
        return properties_of(data, name)
    except InputError as error:
        problems.append(f"metadata: {error.got}")
        return {}


def _aigc(found: Mapping[xmp.Name, str], name: str, problems: list[str]) -> Aigc | None:
    if AIGC not in found:
        return None
    try:
        return Aigc.from_json(found[AIGC], name)
    except InputError as error:
        problems.append(error.got)
        return None


def _seen(found: Mapping[xmp.Name, str], pixels: mark.Bytes, problems: list[str]) -> str | None:
    words, box = found.get(VISIBLE_WORDS), box_of(found.get(VISIBLE_BOX))
    if words is None or box is None:
        return None
    if visible.is_seen(pixels, words, box):
        return words
    problems.append(f"the visible label '{words}' is no longer where the file says")
    return None


def _credentials(
    data: bytes, name: str, anchors: str | None, problems: list[str], notes: list[str]
) -> credentials.Credentials | None:
    if not credentials.are_in(data, name):
        return None
    try:
        signed = credentials.verify(data, where=name, anchors=anchors)
    except MissingExtraError as error:
        notes.append(f"content credentials are there, not looked at: {error.accepted}")
        return None
    if signed is not None and signed.state == "Invalid":
        problems.append(f"content credentials do not agree: {', '.join(signed.problems) or 'damaged'}")
    elif signed is not None and anchors is not None and signed.state != "Trusted":
        problems.append(f"content credentials are signed by {signed.signer}, whom the given roots do not vouch for")
    return signed


def _recipe(data: bytes, name: str, problems: list[str]) -> bool:
    try:
        return read_recipe(data, where=name) is not None
    except InputError as error:
        problems.append(error.got)
        return False


def _kind(found: mark.Found) -> str:
    return KINDS[found.payload.kind] if found.payload.kind < len(KINDS) else "of another kind"


def _said(found: mark.Found) -> dict[str, Any]:
    return {"kind": _kind(found), "number": found.payload.number}
