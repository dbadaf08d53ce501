"""One row -> a training picture with its attributes, or the reason why not. Runs in workers; keeps no state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from packshot.catalogue.attributes import Attributes, attributes_of
from packshot.catalogue.dedupe import Look, look_of
from packshot.catalogue.panels import shows_text_panel
from packshot.catalogue.people import shows_person
from packshot.catalogue.rows import BadRow, CatalogueRow, Place
from packshot.colour import main_colours, oklab_from_srgb, srgb_from_oklab
from packshot.errors import InputError
from packshot.framing import Finding, find_product, is_plain_white, square_on_white, whiten
from packshot.images import encode_webp, open_picture, reduced
from packshot.shards import ShardRow, split_of

REASONS = (
    "category not in the lexicon",
    "no product found",
    "background not plain white",
    "too small",
    "person",
    "text panel",
    "duplicate",
)
"""Why a readable row is dropped, in the order of the tests; duplicates are found when all rows are known."""

THUMBNAIL_PX = 96
_WORKING_PX = 1024
_SMALLEST_PRODUCT_PX = 14
_LARGEST_SCALE = 1.8
_SECOND_COLOUR_SHARE = 0.15
_SQUARE_PX = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """What is made of every row.

    Attributes:
        resolution: side of the pictures, pixels.
        fine_resolution: side of the fine pictures, or None for none; rows whose source is too small for it have none.
    """

    resolution: int
    fine_resolution: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that passed every test of its own.

    Attributes:
        place: where it was.
        row: what a shard holds of it.
        pixels: of the source picture; of two with one id the larger wins.
        look: to recognise duplicates by.
    """

    place: Place
    row: ShardRow
    pixels: int
    look: Look


@dataclass(frozen=True, slots=True)
class Dropped:
    """A readable row that is no picture of a product we can use.

    Attributes:
        place: where it was.
        id: of the product.
        reason: one of `REASONS`.
        pixels: of the source picture.
        thumbnail: WebP of the whole source picture, longest side at most `THUMBNAIL_PX`.
    """

    place: Place
    id: str
    reason: str
    pixels: int
    thumbnail: bytes


Outcome = Kept | Dropped | BadRow


def examine(row: CatalogueRow, settings: Settings) -> Outcome:
    """Decode, understand, test and frame one row."""
    product_id = row.values["id"]
    if not product_id:
        return BadRow(row.place, "", "the id is empty")
    try:
        rgb = open_picture(row.picture, where="picture")
    except InputError as error:
        return BadRow(row.place, product_id, f"unreadable picture: got {error.got}; accepted: {error.accepted}")
    pixels = rgb.shape[0] * rgb.shape[1]
    rgb = reduced(rgb, _WORKING_PX)
    made = _row_of(row, rgb, settings)
    if isinstance(made, str):
        thumbnail = encode_webp(reduced(rgb, THUMBNAIL_PX), quality=80)
        return Dropped(row.place, product_id, made, pixels, thumbnail)
    return Kept(row.place, made[0], pixels, made[1])


def _row_of(row: CatalogueRow, rgb: NDArray[np.uint8], settings: Settings) -> tuple[ShardRow, Look] | str:
    """The shard's row and the look of its picture, or one of `REASONS`."""
    attributes = attributes_of(row.values)
    if attributes is None:
        return "category not in the lexicon"
    finding = find_product(rgb)
    if finding is None:
        return "no product found"
    if not is_plain_white(finding):
        return "background not plain white"
    left, top, right, bottom = finding.box
    if max(right - left, bottom - top) < _SMALLEST_PRODUCT_PX:
        return "too small"
    white = whiten(rgb, srgb_from_oklab(finding.background))
    square = square_on_white(white, finding.box, _SQUARE_PX, _LARGEST_SCALE)
    if shows_person(attributes.slots["category"] or "", finding, square):
        return "person"
    if shows_text_panel(rgb[top:bottom, left:right]):
        return "text panel"
    made = _shard_row(row.values["id"], attributes, rgb, white, finding, settings)
    return made, look_of(square, made.colours[0][:3])


def _shard_row(
    product_id: str,
    attributes: Attributes,
    rgb: NDArray[np.uint8],
    white: NDArray[np.uint8],
    finding: Finding,
    settings: Settings,
) -> ShardRow:
    fine = settings.fine_resolution
    fine_picture = None
    if (
        fine is not None and 1.28 * max(rgb.shape[:2]) > fine
    ):  # below that, most of its detail would be invented by scaling
        fine_picture = encode_webp(square_on_white(white, finding.box, fine, _LARGEST_SCALE), quality=95)
    return ShardRow(
        id=product_id,
        split=split_of(product_id),
        title=attributes.title,
        colour_word=attributes.colour_word,
        slots=attributes.slots,
        colours=_colours(rgb, finding),
        captions=attributes.captions,
        picture=encode_webp(square_on_white(white, finding.box, settings.resolution, _LARGEST_SCALE)),
        fine_picture=fine_picture,
    )


def _colours(rgb: NDArray[np.uint8], finding: Finding) -> tuple[tuple[float, float, float, float], ...]:
    """The product's main colour, and a second one where it covers more than 15 % of the product."""
    found = main_colours(oklab_from_srgb(rgb)[finding.mask])
    kept = found[:1] + [pair for pair in found[1:] if pair[1] > _SECOND_COLOUR_SHARE]
    rounded = [(*(round(float(value), 4) for value in colour), round(float(share), 4)) for colour, share in kept]
    return tuple((row[0], row[1], row[2], row[3]) for row in rounded)
