"""What a catalogue's row becomes: a product, or a problem that names the row. Plain data, no files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from packshot.catalogue.rows import Place
from packshot.images import canonical_json
from packshot.listing.remote import RemoteFile


class Path_(StrEnum):
    """How a product's pictures come about."""

    IDENTITY = "identity"
    """From a photo: the product's pixels are kept."""
    GENERATIVE = "generative"
    """From words alone: the product in the picture does not exist."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that decodes to its end.

    Attributes:
        path: where it is.
        name: relative to the photos' folder, with slashes.
        sha256: of the file's bytes, in hex.
        width_px: as stored, before Exif turns it.
        height_px: likewise.
    """

    path: Path | RemoteFile
    name: str
    sha256: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Product:
    """A row that pictures can be made of.

    Attributes:
        place: where the row is.
        sku: as the seller writes it; no two products of a catalogue have the same.
        title: the seller's.
        text: the seller's description, or empty.
        slots: lexicon entry by slot, None where nothing is said or understood.
        colour: the seller's word, else the title's, or empty.
        colour_hex: `#rrggbb` of that word, or empty where it has no single value.
        brand: the seller's, or empty.
        parent: what colourways of one thing share, or empty.
        size_cm: length, width, height as far as given, or empty.
        photos: those that were found and read, the main one first.
    """

    place: Place
    sku: str
    title: str
    text: str
    slots: Mapping[str, str | None]
    colour: str
    colour_hex: str
    brand: str
    parent: str
    size_cm: tuple[float, ...]
    photos: tuple[Photo, ...]

    @property
    def path(self) -> Path_:
        """Identity where there is a readable photo, else generative."""
        return Path_.IDENTITY if self.photos else Path_.GENERATIVE

    def content(self) -> dict[str, Any]:
        """What pictures depend on but photos: neither the row's place nor columns that are not used (prices)."""
        return {
            "sku": self.sku,
            "title": self.title,
            "text": self.text,
            "slots": dict(self.slots),
            "colour": self.colour,
            "colour_hex": self.colour_hex,
            "brand": self.brand,
            "parent": self.parent,
            "size_cm": list(self.size_cm),
        }

    @cached_property
    def content_sha256(self) -> str:
        """Of `content()` as canonical JSON, in hex."""
        return hashlib.sha256(canonical_json(self.content()).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Damaged:
    """A cell that does not hold what was typed into it.

    Attributes:
        reason: what it holds instead, as a phrase.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something of a catalogue that was not taken.

    Attributes:
        place: where the row is.
        sku: of the product, or empty where it could not be read.
        lost: the whole row, or one of its photos while the product goes on with the others.
        reason: one line.
    """

    place: Place
    sku: str
    lost: Literal["row", "photo"]
    reason: str

    def __str__(self) -> str:
        named = f" ({self.sku})" if self.sku else ""
        return f"{self.place}{named}: {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        where = {"file": self.place.file, self.place.unit: self.place.number}
        return {**where, "sku": self.sku, "lost": self.lost, "reason": self.reason}
