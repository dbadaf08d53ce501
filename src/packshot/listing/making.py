"""One planned picture -> the bytes of its file: made, repaired to the channel's rules, labelled, checked.

Nothing is written here, and nothing that fails the check leaves this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from packshot.editing.certificate import Source as Photographed
from packshot.editing.certificate import certify
from packshot.editing.cutout import KIND
from packshot.editing.measures import regions
from packshot.editing.pipeline import Edited
from packshot.editing.scene import flatten
from packshot.errors import PackshotError
from packshot.generation.backends import open_backend
from packshot.generation.interface import Backend, GenerationRequest
from packshot.images import encode_picture, read_recipe
from packshot.listing.channels import Channel, Rule, Source
from packshot.listing.encoding import NotEncodedError, encode
from packshot.listing.measures import Look
from packshot.listing.plan import PlannedPicture
from packshot.listing.repair import certificate, limits, repair
from packshot.listing.rules import failed, judge
from packshot.listing.staging import NotStagedError, staged
from packshot.listing.verdicts import COPIED, Verdict
from packshot.packs import find_pack
from packshot.provenance import origin as origins
from packshot.provenance.labelling import Wish, label
from packshot.provenance.metadata import properties_of
from packshot.provenance.policy import Policy
from packshot.provenance.xmp import SOURCE_TYPE
from packshot.safety import Choice, current, guard_of, use

_WRITTEN = {"jpg": "jpeg", "png": "png", "webp": "webp"}
_OURS = Source("our own choice for sets of pictures", "2026-11-26", "confirmed")
_WHITE = Rule("white", {"border_share": 1.0, "background_share": 0.999}, _OURS)


class RefusedError(Exception):
    """A picture that can't be made honestly, or not so that the channel takes it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all pictures of a run depend on.

    Attributes:
        channels: by name.
        policy: of labels.
        producer: ContentProducer of AIGC labels.
        backend: that draws products from words.
        pack: of the back-end.
        safety: what the operator refuses.
    """

    channels: Mapping[str, Channel]
    policy: Policy
    producer: str
    backend: str
    pack: str
    safety: Choice = field(default_factory=Choice.read)


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that passes.

    Attributes:
        data: the file.
        certificate: of the edit, before labels; None where nothing was edited.
        verdicts: of the channel on the file as it is, labels and all.
        done: what was done, as phrases.
        labels: decisions and outcomes; see `provenance.labelling.Labelled.record`.
        packs: sha256 of the models' packs that may be in it, by name.
        safety: how words and pictures were looked at.
    """

    data: bytes
    certificate: dict[str, Any] | None
    verdicts: tuple[Verdict, ...]
    done: tuple[str, ...]
    labels: Mapping[str, Any]
    packs: Mapping[str, str]
    safety: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Work:
    """A picture before its labels."""

    data: bytes
    done: tuple[str, ...]
    edited: Edited | None
    certificate: dict[str, Any] | None


def make(picture: PlannedPicture, setting: Setting) -> Made:
    """Make a picture; equal arguments give equal bytes.

    Raises:
        RefusedError: it can't be made; says why.
        PackshotError: what an operation, back-end or label refuses, or the guard.
    """
    use(guard_of(setting.safety))
    channel = setting.channels[picture.channel]
    start, packs = _start(picture, setting)
    look = Look(start, picture.name)
    safety = _looked_at(look, picture)
    work = _worked(look, picture, channel)
    out, labels = _labelled(work, start, picture, setting)
    verdicts = tuple(judge(Look(out, picture.name), channel))
    if wrong := failed(verdicts):
        raise RefusedError("; ".join(verdict.line() for verdict in wrong))
    return Made(out, work.certificate, verdicts, work.done, labels, packs, safety)


@cache
def backend_of(name: str, pack: str) -> Backend:
    """A back-end, opened once in a process."""
    return open_backend(name, pack)


def packs_of(backend: str, pack: str) -> dict[str, str]:
    """Packs by name, with their sha256, that a back-end draws with."""
    found = getattr(backend_of(backend, pack), "pack", None)
    return {} if found is None else {str(found.name): str(found.sha256)}


def cutting_pack() -> dict[str, str]:
    """The network that looks for products in photos."""
    found = find_pack("cutout", (KIND,))
    return {found.name: found.sha256}


def _start(picture: PlannedPicture, setting: Setting) -> tuple[bytes, dict[str, str]]:
    """The photo's bytes, or a drawn product's, with the packs that come into it."""
    if picture.photo is None:
        return _drawn(picture, setting), packs_of(setting.backend, setting.pack) | cutting_pack()
    try:
        data = picture.photo.path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{picture.photo.name}: {error.strerror or 'an error'}") from None
    if hashlib.sha256(data).hexdigest() != picture.photo.sha256:
        raise RefusedError(f"{picture.photo.name} has changed since the catalogue was read")
    return data, cutting_pack()


def _drawn(picture: PlannedPicture, setting: Setting) -> bytes:
    """A product out of words: the same one on every channel, since its seed comes from SKU and words alone."""
    digest = hashlib.sha256(f"{picture.sku}\0{picture.request}".encode()).digest()
    request = GenerationRequest(
        picture.request,
        count=1,
        seed=int.from_bytes(digest[:6]),
        size=min(1024, max(setting.channels[picture.channel].fix.least)),
        background="transparent" if picture.role == "scene" else "white",
    )
    (result,) = backend_of(setting.backend, setting.pack).generate([request])
    return encode_picture(result.pixels, Path("drawn.png"), recipe=result.recipe)


def _looked_at(look: Look, picture: PlannedPicture) -> dict[str, Any]:
    """What the guard found: in the photo, or by the back-end's recipe in a drawn product and its words."""
    if picture.photo is not None:
        return {"picture": current().picture(look.layers.stacked, picture.photo.name, picture.photo.sha256)}
    recipe: Mapping[str, Any] = read_recipe(look.data, where=look.where) or {}
    return {**recipe["safety"]}


def _worked(look: Look, picture: PlannedPicture, channel: Channel) -> _Work:
    form = _WRITTEN[picture.name.rpartition(".")[2]]
    if picture.means in ("crop", "recolour") or picture.role in ("scene", "size"):
        return _staged(look, picture, channel, form)
    made = repair(look, _asked(channel, form, white=picture.role != "detail"))
    if made.data is None:
        raise RefusedError("; ".join(said.en for said in made.refused))
    done = tuple(said.en for said in made.done or (COPIED,))
    return _Work(made.data, done, made.edited, certificate(look, made, Path(picture.name).name))


def _asked(channel: Channel, form: str, *, white: bool) -> Channel:
    """The channel with what a set asks for beyond its rules: the file's form, and white behind a product alone."""
    own = {"white": _WHITE} if white else {}
    rules = {**own, **channel.rules, "format": Rule("format", {"one_of": [form]}, _OURS)}
    return replace(channel, fix=replace(channel.fix, format=form), rules=rules)


def _staged(look: Look, picture: PlannedPicture, channel: Channel, form: str) -> _Work:
    """A picture that editing steps make of the photo."""
    try:
        edited = staged(look, picture, channel)
        composed = flatten(edited.scene)
        data, quality = encode(composed, form, look.facts, *limits(channel))
    except NotStagedError as error:
        raise RefusedError(str(error)) from None
    except NotEncodedError as error:
        raise RefusedError(f"file size can't be met: {error}") from None
    source = Photographed.read(look.data, look.layers, Path(look.where))
    codec = {"codec": picture.name.rpartition(".")[2], "quality": quality, "lossless": form == "png"}
    document = certify(source, edited, composed, data, name=Path(picture.name).name, codec=codec)
    return _Work(data, tuple(str(step) for step in edited.steps), edited, document)


def _labelled(work: _Work, start: bytes, picture: PlannedPicture, setting: Setting) -> tuple[bytes, Mapping[str, Any]]:
    """The file with the labels that the channel's policy decides on; a photo that is taken as it is has none to get."""
    where = picture.name
    told = [
        origins.of_recipe(read_recipe(start, where=where)),
        origins.of_source_type(properties_of(start, where).get(SOURCE_TYPE)),
        origins.of_certificate(work.certificate),
    ]
    if not any(told):
        digest = hashlib.sha256(work.data).hexdigest()
        return work.data, {"file": where, "origin": None, "sha256": digest, "labels": []}
    origin = origins.strongest(told)
    protect = regions(work.edited.scene) > 0 if work.edited is not None and origin.kind == "composite" else None
    wish = Wish(setting.producer, protect=protect, parent=start if picture.photo is not None else None)
    made = label(work.data, where, origin, setting.policy.decide(picture.channel, origin.kind), wish)
    return made.data, made.record


def reason_of(error: Exception) -> str:
    """Why a picture was not made, in one line."""
    plain = isinstance(error, RefusedError | PackshotError)
    return " ".join(str(error).split()) if plain else f"a bug: {type(error).__name__}: {error}"
