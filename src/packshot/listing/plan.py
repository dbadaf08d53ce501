"""Products x channels -> the pictures to make, each with its key and its name. Makes none, opens no file.

The plan depends on its arguments alone. A picture's key depends on what the picture depends on, so a repeated run makes
what changed and nothing else: neither a row's place nor its price is part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from packshot.errors import RequestError
from packshot.images import canonical_json
from packshot.listing.names import TEMPLATE, check_template, name_of, same_file
from packshot.listing.products import Path_, Photo, Product
from packshot.listing.sets import ROLES, PictureSet, set_of

RECIPE_VERSION = 3
"""Of the way in which pictures are made of a plan; another one makes all of them anew."""

SMALLEST_FOR_PARTS_PX = 1600
"""Longer side of a photo whose parts may be shown enlarged: half of it still fills a picture of 800 pixels."""

Means = Literal["photo", "crop", "recolour", "words"]
"""Where the product in a picture comes from: a photo as it is, a part of one, one in another colour, or words alone."""


@dataclass(frozen=True, slots=True)
class Target:
    """A channel to make pictures for.

    Attributes:
        channel: its name.
        refuses_synthetic_main: whether its main picture must not be wholly synthetic.
        refuses_text: whether numbers must not be drawn beside the product.
    """

    channel: str
    refuses_synthetic_main: bool
    refuses_text: bool = False


@dataclass(frozen=True, slots=True)
class PlannedPicture:
    """A picture to make.

    Attributes:
        key: 64 hex digits; equal keys mean equal pictures.
        name: relative, with slashes.
        sku: of the product.
        channel: of the target.
        role: one of `sets.ROLES`.
        number: among the pictures of this role, from 1.
        path: identity or generative, to be recorded with the picture.
        means: where the product comes from.
        photo: what it starts from, None for words.
        colour: the word to recolour to, or of the colourway shown; empty where it is the product's own.
        request: what is to be drawn or noted, in words.
        category: lexicon entry of the product shown, or empty.
        size_cm: of the product, as in `Product`.
        take: how often it was rejected and made anew before; the key is another one each time.
    """

    key: str
    name: str
    sku: str
    channel: str
    role: str
    number: int
    path: Path_
    means: Means
    photo: Photo | None
    colour: str
    request: str
    category: str = ""
    size_cm: tuple[float, ...] = ()
    take: int = 0

    @property
    def varies(self) -> bool:
        """Whether there is anything in it that another seed changes: a drawn product, or a drawn place."""
        return self.means == "words" or self.role == "scene"

    def again(self) -> PlannedPicture:
        """The picture that takes its place when it was rejected and shall be made anew."""
        key = hashlib.sha256(f"again\0{self.key}".encode()).hexdigest()
        return replace(self, key=key, take=self.take + self.varies)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        photo = None if self.photo is None else {"name": self.photo.name, "sha256": self.photo.sha256}
        plain = {
            field: getattr(self, field)
            for field in ("key", "name", "sku", "channel", "role", "number", "means", "take")
        }
        return {**plain, "path": str(self.path), "photo": photo, "colour": self.colour, "request": self.request}


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture of the set that will not be made.

    Attributes:
        sku: of the product.
        channel: of the target.
        role: one of `sets.ROLES`.
        missing: how many pictures.
        reason: one line.
    """

    sku: str
    channel: str
    role: str
    missing: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {field: getattr(self, field) for field in ("sku", "channel", "role", "missing", "reason")}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A picture before it has a name."""

    shown: Product
    path: Path_
    means: Means
    photo: Photo | None


def plan(
    products: Sequence[Product],
    targets: Sequence[Target],
    sets: Mapping[str, PictureSet],
    *,
    template: str = TEMPLATE,
    recipe: Mapping[str, object] | None = None,
) -> Iterator[PlannedPicture | Refused]:
    """Say which pictures to make, product by product in the given order.

    Args:
        products: with different SKUs.
        targets: with different names.
        sets: from `sets.load_sets`.
        template: of the files' names, relative to where they go.
        recipe: what else all pictures depend on (packs, settings), as plain values; part of every key.

    Raises:
        RequestError: a template that can't be used, no target, or one that stands twice.
    """
    check_template(template)
    names = [target.channel for target in targets]
    if not names or len(set(names)) < len(names):
        raise RequestError("channels", ", ".join(names) or "none", "at least one, each once")
    return _plan(products, targets, sets, template, recipe or {})


def _plan(
    products: Sequence[Product],
    targets: Sequence[Target],
    sets: Mapping[str, PictureSet],
    template: str,
    recipe: Mapping[str, object],
) -> Iterator[PlannedPicture | Refused]:
    families = _families(products)
    taken: dict[str, str] = {}
    for product in products:
        for target in targets:
            chosen = set_of(target.channel, sets)
            for role in (role for role in ROLES if role in chosen.counts):
                drafts, reason = _drafts(product, role, chosen.counts[role], target, families)
                if reason:
                    yield Refused(product.sku, target.channel, role, chosen.counts[role] - len(drafts), reason)
                for number, draft in enumerate(drafts, 1):
                    picture = _named(product, target.channel, role, number, draft, chosen.form, template, recipe)
                    owner = taken.setdefault(same_file(picture.name), picture.key)
                    if owner == picture.key:
                        yield picture
                        continue
                    reason = f"its name '{picture.name}' is taken by a picture of another SKU or channel"
                    yield Refused(product.sku, target.channel, role, 1, reason)


def _families(products: Sequence[Product]) -> dict[str, list[Product]]:
    """Products that share a parent, by it."""
    families: dict[str, list[Product]] = {}
    for product in products:
        if product.parent:
            families.setdefault(product.parent, []).append(product)
    return families


def _drafts(
    product: Product, role: str, count: int, target: Target, families: Mapping[str, Sequence[Product]]
) -> tuple[list[_Draft], str]:
    """At most `count` pictures of a role, and why some are missing; empty where there is simply nothing to show."""
    main = product.photos[0] if product.photos else None
    whole = _Draft(product, product.path, "photo" if main else "words", main)
    if role == "colourway":
        return _colourways(product, families.get(product.parent, ()), count)
    if role == "main" and main is None and target.refuses_synthetic_main:
        return [], "the product has no photo, and the channel accepts no wholly synthetic main picture"
    if role == "size" and target.refuses_text:
        return [], "the channel takes no text beside the product, and lines without their numbers tell nothing"
    if role == "size" and not product.size_cm:
        return [], "the row has no size with a unit, such as 30 x 20 x 10 cm"
    if role in ("detail", "size") and main is None:
        return [], "the product has no photo, and what this picture tells would be invented"
    return _details(product, count) if role == "detail" else ([whole] * count, "")


def _details(product: Product, count: int) -> tuple[list[_Draft], str]:
    """Further photos, then parts of the first."""
    main, *further = product.photos
    drafts = [_Draft(product, Path_.IDENTITY, "photo", photo) for photo in further[:count]]
    longer_px = max(main.width_px, main.height_px)
    if len(drafts) < count and longer_px < SMALLEST_FOR_PARTS_PX:
        few = f"too few for parts of it; accepted: {SMALLEST_FOR_PARTS_PX:,} on the longer side"
        return drafts, f"no further photo, and the first has {longer_px:,} pixels, {few}"
    parts = [_Draft(product, Path_.IDENTITY, "crop", main)] * (count - len(drafts))
    return [*drafts, *parts], ""


def _colourways(product: Product, family: Sequence[Product], count: int) -> tuple[list[_Draft], str]:
    """The other colours of a family, each once: from a photo of its own, else this product's photo recoloured."""
    known, lacking = {product.colour.casefold(), ""}, list[str]()
    drafts: list[_Draft] = []
    for other in family:
        colour = other.colour.casefold()
        if colour in known or len(drafts) == count:
            continue
        if other.photos:
            drafts.append(_Draft(other, Path_.IDENTITY, "photo", other.photos[0]))
        elif product.photos and other.colour_hex:
            drafts.append(_Draft(other, Path_.IDENTITY, "recolour", product.photos[0]))
        elif not product.photos:
            drafts.append(_Draft(other, Path_.GENERATIVE, "words", None))
        else:
            lacking.append(other.colour)
            continue
        known.add(colour)
    reason = f"no photo of the colour {', '.join(lacking)}, and no value known for its name" if lacking else ""
    return drafts, reason if len(drafts) < count else ""


def _named(
    product: Product,
    channel: str,
    role: str,
    number: int,
    draft: _Draft,
    form: str,
    template: str,
    recipe: Mapping[str, object],
) -> PlannedPicture:
    depends = {
        "product": product.content_sha256,
        "shown": draft.shown.content_sha256,
        "photo": None if draft.photo is None else draft.photo.sha256,
        "channel": channel,
        "role": role,
        "number": number,
        "means": draft.means,
        "form": form,
        "recipe": {**recipe, "version": RECIPE_VERSION},
    }
    key = hashlib.sha256(canonical_json(depends).encode()).hexdigest()
    values = {
        "sku": product.sku,
        "channel": channel,
        "role": role,
        "n": str(number),
        "ext": form,
        "parent": product.parent or product.sku,
        "path": str(draft.path),
        "key": key,
    }
    return PlannedPicture(
        key=key,
        name=name_of(template, values),
        sku=product.sku,
        channel=channel,
        role=role,
        number=number,
        path=draft.path,
        means=draft.means,
        photo=draft.photo,
        colour="" if draft.shown is product else draft.shown.colour,
        request=_request(draft.shown),
        category=draft.shown.slots.get("category") or "",
        size_cm=product.size_cm,
    )


def _request(product: Product) -> str:
    """The product in words, as a prompt takes it: the title, and the colour where that does not say it."""
    said = not product.colour or product.colour.casefold() in product.title.casefold()
    return product.title if said else f"{product.colour} {product.title}"
