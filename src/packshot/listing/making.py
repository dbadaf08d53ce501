"""One planned picture -> the bytes of its file: made, repaired to the channel's rules, labelled, checked.

Nothing is written here, and nothing that fails the check leaves this module.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from packshot.editing.certificate import certify, steps_of
from packshot.editing.cutout import KIND
from packshot.editing.measures import measure, regions
from packshot.editing.pipeline import Edited
from packshot.editing.scene import Bytes, Mask, Scene, flatten
from packshot.errors import PackshotError
from packshot.images import read_recipe
from packshot.listing.channels import Channel, Rule, Source
from packshot.listing.drawn import drawn, packs_of, request_for
from packshot.listing.encoding import NotEncodedError, encode
from packshot.listing.facts import CREDENTIALS
from packshot.listing.measures import Look
from packshot.listing.memory import Recent, digest
from packshot.listing.plan import PlannedPicture
from packshot.listing.repair import limits, repair
from packshot.listing.rules import failed, judge
from packshot.listing.signing import Signing, signer_of
from packshot.listing.staging import NotStagedError, staged
from packshot.listing.verdicts import COPIED, Verdict
from packshot.packs import find_pack
from packshot.provenance import credentials, visible, xmp
from packshot.provenance import origin as origins
from packshot.provenance.labelling import RELABELLED_WEBP, Labelled, Marking, Wish, label, marked, marked_anew
from packshot.provenance.mark import Found, Marked, Payload
from packshot.provenance.metadata import properties_of
from packshot.provenance.origin import Origin
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
        signing: of content credentials; None where nothing is signed.
        safety: what the operator refuses.
    """

    channels: Mapping[str, Channel]
    policy: Policy
    producer: str
    backend: str
    pack: str
    signing: Signing | None = None
    safety: Choice = field(default_factory=Choice.read)


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that passes.

    Attributes:
        data: the file.
        certificate: of the edit; None where nothing was edited, or what was has no file.
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
    """A picture before its labels.

    Attributes:
        data: the file.
        done: what was done, as phrases.
        edited: the scene and the steps that led to it; None for a photo that is taken as it is.
        composed: (H, W, 3) what went into the encoder; None likewise.
        codec: as a certificate states it.
    """

    data: bytes
    done: tuple[str, ...]
    edited: Edited | None = None
    composed: Bytes | None = None
    codec: Mapping[str, Any] = field(default_factory=dict)


def make(picture: PlannedPicture, setting: Setting) -> Made:
    """Make a picture; equal arguments give equal bytes, but for signatures.

    Raises:
        RefusedError: it can't be made; says why.
        SigningError: content credentials can't be signed, for this picture as for all others.
        PackshotError: what an operation, back-end or label refuses, or the guard.
    """
    use(guard_of(setting.safety))
    channel = setting.channels[picture.channel]
    look, packs = _start(picture, setting)
    safety = _looked_at(look, picture)
    work, made, seen = _attempt(look, picture, setting, channel)
    verdicts = tuple(judge(seen, channel))
    wrong = failed(verdicts)
    if [verdict.rule for verdict in wrong] == ["file-size"] and len(made.data) > limits(channel)[1]:
        work, made, seen = _attempt(look, picture, setting, _with_room(channel, len(made.data) - len(work.data)))
        verdicts = tuple(judge(seen, channel))
        wrong = failed(verdicts)
    if wrong:
        raise RefusedError("; ".join(verdict.line() for verdict in wrong))
    document = _certified(work, look, made, seen, picture)
    return Made(made.data, document, verdicts, work.done, made.record, packs, safety)


def _attempt(look: Look, picture: PlannedPicture, setting: Setting, channel: Channel) -> tuple[_Work, Labelled, Look]:
    """The picture, its labelled file, and a look at that, which is decoded whatever was seen before."""
    work = _worked(look, picture, channel)
    made = _labelled(work, look, picture, setting)
    return work, made, Look.again(made.data, picture.name)


def cutting_pack() -> dict[str, str]:
    """The network that looks for products in photos."""
    found = find_pack("cutout", (KIND,))
    return {found.name: found.sha256}


def _start(picture: PlannedPicture, setting: Setting) -> tuple[Look, dict[str, str]]:
    """The photo, or a drawn product, with the packs that come into it."""
    if picture.photo is None:
        packs = packs_of(setting.backend, setting.pack) | cutting_pack()
        return _drawn(picture, setting), packs
    key = (picture.photo.sha256, picture.photo.name, setting.signing is not None)
    return _STARTS.get(key, lambda: _photographed(picture, setting)), cutting_pack()


_STARTS: Recent[Look] = Recent(most=12_000_000, weight=lambda look: look.pixels)
"""By pixels; what is kept of a photo, its cut-out included, has about 12 bytes for each."""


def _photographed(picture: PlannedPicture, setting: Setting) -> Look:
    photo = picture.photo
    assert photo is not None
    try:
        data = photo.path.read_bytes()
    except OSError as error:
        raise RefusedError(f"{photo.name}: {error.strerror or 'an error'}") from None
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise RefusedError(f"{photo.name} has changed since the catalogue was read")
    look = Look(data, photo.name)
    if setting.signing is not None:  # credentials go on as those of an ingredient
        look.facts = replace(look.facts, fixed_labels=tuple(x for x in look.facts.fixed_labels if x != CREDENTIALS))
    return look


def _drawn(picture: PlannedPicture, setting: Setting) -> Look:
    request = request_for(picture, max(setting.channels[picture.channel].fix.least))
    key = (setting.backend, setting.pack, request, picture.role == "scene")
    return _STARTS.get(key, lambda: drawn(picture, request, setting.backend, setting.pack))


_PASSED: Recent[str] = Recent(most=128, weight=lambda said: 1)
"""Photos that a guard let pass, and what it said; one that it refuses is looked at, and logged, each time."""


def _looked_at(look: Look, picture: PlannedPicture) -> dict[str, Any]:
    """What the guard found: in the photo, or by the back-end's recipe in a drawn product and its words."""
    if (photo := picture.photo) is not None:
        guard = current()
        key = (guard, photo.name, photo.sha256)
        return {"picture": _PASSED.get(key, lambda: guard.picture(look.layers.stacked, photo.name, photo.sha256))}
    recipe: Mapping[str, Any] = read_recipe(look.data, where=look.where) or {}
    return {**recipe["safety"]}


def _worked(look: Look, picture: PlannedPicture, channel: Channel) -> _Work:
    form = _WRITTEN[picture.name.rpartition(".")[2]]
    if picture.means in ("crop", "recolour") or picture.role in ("scene", "size"):
        return _staged(look, picture, channel, form)
    made = repair(look, _asked(channel, form, white=picture.role != "detail"))
    if made.data is None:
        raise RefusedError("; ".join(made.refused))
    return _Work(made.data, made.done or (COPIED,), made.edited, made.composed, _codec(form, made.quality))


def _with_room(channel: Channel, more: int) -> Channel:
    """The channel with a stricter limit of file size, for labels that come on top: so many bytes and an eighth."""
    rule = channel.rules["file-size"]
    values = {**rule.values, "max_kb": rule.values["max_kb"] - 9 / 8 * more / 1000}
    return replace(channel, rules={**channel.rules, "file-size": replace(rule, values=values)})


def _codec(form: str, quality: int | None) -> dict[str, Any]:
    return {"codec": form.replace("jpeg", "jpg"), "quality": quality, "lossless": form == "png"}


def _asked(channel: Channel, form: str, *, white: bool) -> Channel:
    """The channel with what a set asks for beyond its rules: the file's form, and white behind a product alone."""
    own = {"white": _WHITE} if white else {}
    rules = {**own, **channel.rules, "format": Rule("format", {"one_of": [form]}, _OURS)}
    return replace(channel, fix=replace(channel.fix, format=form), rules=rules)


def _staged(look: Look, picture: PlannedPicture, channel: Channel, form: str) -> _Work:
    """A picture that editing steps make of the photo."""
    if look.facts.fixed_labels:
        raise RefusedError(f"the photo's {', '.join(look.facts.fixed_labels)} would be lost, and a label never is")
    try:
        edited = staged(look, picture, channel)
        composed = flatten(edited.scene)
        data, quality = encode(composed, form, look.facts, *limits(channel))
    except NotStagedError as error:
        raise RefusedError(str(error)) from None
    except NotEncodedError as error:
        raise RefusedError(f"file size can't be met: {error}") from None
    return _Work(data, tuple(str(step) for step in edited.steps), edited, composed, _codec(form, quality))


def _labelled(work: _Work, look: Look, picture: PlannedPicture, setting: Setting) -> Labelled:
    """The file with the labels that the channel's policy decides on; a photo that is taken as it is has none to get."""
    where = picture.name
    origin = _origin(work, look, signed=setting.signing is not None)
    if origin is None:
        digest = hashlib.sha256(work.data).hexdigest()
        return Labelled(work.data, {"file": where, "origin": None, "sha256": digest, "labels": []})
    protect = regions(work.edited.scene) > 0 if work.edited is not None and origin.kind == "composite" else None
    parent = look.data if picture.photo is not None else None
    new = work.edited is not None and "mark" not in look.source.said.labels
    marking = partial(_marked, marked_anew if new else marked)
    wish = Wish(setting.producer, protect=protect, parent=parent, signer=signer_of(setting.signing), marking=marking)
    return label(work.data, where, origin, setting.policy.decide(picture.channel, origin.kind), wish)


def _origin(work: _Work, look: Look, *, signed: bool) -> Origin | None:
    """How the picture came about; None for a photo that is taken as it is and says nothing.

    Args:
        work: what was done.
        look: at what it was done to.
        signed: whether credentials are read, too: a run that signs keeps them, another refuses the picture.
    """
    told = [
        origins.of_recipe(look.facts.recipe),
        origins.of_source_type(properties_of(look.data, look.where).get(SOURCE_TYPE)),
    ]
    if signed and xmp.is_known(look.data) and credentials.are_in(look.data, look.where):
        found = credentials.verify(look.data, where=look.where)
        stated = [origins.of_source_type(name) for name in found.source_types] if found is not None else []
        told += [origin for origin in stated if origin is not None and origin.kind != "edited"]
    if work.edited is not None:
        before = look.source.said.origin
        steps = {"steps": steps_of(work.edited), "origin": None if before is None else before.as_dict()}
        told.append(origins.of_certificate(steps))
    return origins.strongest(told) if any(told) else None


def _certified(work: _Work, look: Look, made: Labelled, seen: Look, picture: PlannedPicture) -> dict[str, Any] | None:
    """The certificate of the edit, on the labelled file; None where nothing was edited, or the product was drawn.

    A drawn product has no file that anybody could compare with.
    """
    if work.edited is None or work.composed is None or picture.photo is None:
        return None
    edited = replace(work.edited, scene=_exempt(work.edited.scene, made.record))
    codec = dict(work.codec)
    if codec["codec"] == "webp" and _in_pixels(made.record):
        codec["quality"] = RELABELLED_WEBP
    name = Path(picture.name).name
    pixels = seen.layers.rgb if seen.layers.alpha is None else None
    return certify(
        look.source, edited, work.composed, made.data, name=name, codec=codec, pixels=pixels, measuring=_measured
    )


_MEASURED: Recent[dict[str, object]] = Recent(most=128, weight=lambda found: 1)
_MARKED: Recent[Found | Marked] = Recent(
    most=12_000_000, weight=lambda one: one.pixels.size // 3 if isinstance(one, Marked) else 1
)


def _measured(photo: Bytes, edited: Bytes, codes: Bytes, placement: tuple[int, int]) -> dict[str, object]:
    key = (digest(photo, edited, codes), placement)
    return _MEASURED.get(key, lambda: measure(photo, edited, codes, placement))


def _marked(how: Marking, pixels: Bytes, payload: Payload, protect: Mask | None) -> Found | Marked:
    return _MARKED.get((how, digest(pixels, protect), payload), lambda: how(pixels, payload, protect))


def _exempt(scene: Scene, record: Mapping[str, Any]) -> Scene:
    """The scene with the pixels that labels were set in marked as meant to change."""
    for row in record["labels"]:
        if row["label"] == "visible" and row["outcome"] == "drawn":
            scene = scene.with_touched(_boxed(scene.size, row["box"]))
        elif row["label"] == "mark" and row["outcome"] == "set" and record["origin"]["kind"] == "generated":
            scene = scene.with_touched(np.ones(scene.size, bool))
    return scene


def _in_pixels(record: Mapping[str, Any]) -> bool:
    """Whether labels have changed pixels."""
    rows = {row["label"]: row["outcome"] for row in record["labels"]}
    return rows.get("visible") == "drawn" or rows.get("mark") == "set"


def _boxed(size: tuple[int, int], box: Sequence[float]) -> Mask:
    """(H, W) where a visible label is, with the plate that may lie under it."""
    height, width = size
    reach = visible.margin_of(size)
    mask = np.zeros(size, bool)
    top, bottom = max(0, round(box[1] * height) - reach), round(box[3] * height) + reach
    mask[top:bottom, max(0, round(box[0] * width) - reach) : round(box[2] * width) + reach] = True
    return mask


def reason_of(error: Exception) -> str:
    """Why a picture was not made, in one line."""
    plain = isinstance(error, RefusedError | PackshotError)
    return " ".join(str(error).split()) if plain else f"a bug: {type(error).__name__}: {error}"
