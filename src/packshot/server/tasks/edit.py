"""Edited photos with their certificates, as `packshot edit` makes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from packshot.errors import RequestError
from packshot.server.assets import Asset, Assets, NewAsset
from packshot.server.settings import Settings
from packshot.server.tasks.desk import Desk, stem_of
from packshot.server.tasks.generate import MEDIA_TYPES
from packshot.server.tasks.interface import Context, Outcome, file_of
from packshot.server.tasks.packs import installed
from packshot.server.tasks.references import Surroundings, resolved

MOST_STEPS, MOST_COLOURS = 40, 24
SECONDS_FOR_A_PHOTO, SECONDS_FOR_A_STEP = 0.8, 0.4
"""Of a worker, at about a megapixel; a guess, which the queue corrects by how long jobs really take."""


def understood(request: Mapping[str, Any], assets: Assets, settings: Settings) -> list[str]:
    """Check a request before it is accepted.

    Args:
        request: `photo`, an asset's id; `steps`, tables with `op` and an operation's arguments; `format`; `quality`
            or None; `colourways`, arguments of `recolour` whose `to` is a list, or None.
        assets: where ids are looked up.
        settings: of the server.

    Returns:
        What should be known before: steps that undo one another.

    Raises:
        PackshotError: it can't be done; says why.
    """
    from packshot.editing.foresight import cautions, refuse_words

    file_of(assets, str(request["photo"]), "photo")
    form, quality = request["format"], request["quality"]
    if form not in MEDIA_TYPES:
        raise RequestError("format", f"'{form}'", ", ".join(MEDIA_TYPES))
    if quality is not None and not 1 <= quality <= 100:
        raise RequestError("quality", quality, "1 to 100")
    around = surroundings(settings, lambda identity, where: file_of(assets, identity, where)[1])
    asked, colours = _asked(request), _colours(request)
    if not asked and not colours:
        raise RequestError("steps", "none", "at least one; GET /v1/operations lists them")
    steps, _ = _resolved([*asked, *colours], around)
    refuse_words(steps)
    return cautions(steps)


def edit(request: Mapping[str, Any], context: Context) -> Outcome:
    """Edit the photo, once or in each colour."""
    from packshot.editing.files import Job, Wish
    from packshot.editing.files import edit as edit_file

    with Desk(context) as desk:
        context.progress(0, 1)
        asset, photo = desk.named(str(request["photo"]), "photo")
        asked, colours = _asked(request), _colours(request)
        steps, names = _resolved([*asked, *colours], surroundings(context.settings, desk.file_of))
        wish = Wish(tuple(steps[: len(asked)]), tuple(steps[len(asked) :]), request["quality"])
        target = desk.folder / f"{stem_of(asset.name)}-edited.{request['format']}"
        files = edit_file(Job(photo, target), wish)
        made: list[NewAsset] = []
        pictures: list[dict[str, Any]] = []
        for number, finished in enumerate(files):
            colour = str(colours[number][1]["to"]) if colours else None
            document = with_names(finished.certificate, names)
            picture, certificate = _kept(finished.file, document, asset, colour, asked)
            made += [picture, certificate]
            pictures.append({"asset": picture.id, "certificate": certificate.id, "colour": colour, **told(document)})
    return Outcome({"pictures": pictures, "photo": asset.id}, made)


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Of a worker's time."""
    pictures = len((request.get("colourways") or {}).get("to") or [0])
    return SECONDS_FOR_A_PHOTO * pictures + SECONDS_FOR_A_STEP * len(request["steps"])


def told(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """What a job's result says of a certificate."""
    from packshot.editing import telling

    document = dict(certificate)
    notes = [*document["original"]["notes"], *telling.models(document)]
    notes += [telling.origin(document["origin"])] if document["origin"] is not None else []
    return {"proof": telling.proof(document), "promised": document["promise"]["promised"], "notes": notes}


def certificate_asset(document: Mapping[str, Any], picture: NewAsset) -> NewAsset:
    """A certificate as a file to keep."""
    data = json.dumps(document, ensure_ascii=False, indent=1).encode()
    details = {"certificate_of": picture.id}
    return NewAsset("file", f"{picture.name}.certificate.json", "application/json", data, details=details)


def surroundings(settings: Settings, open_asset: Callable[[str, str], Path]) -> Surroundings:
    """What steps may name on this server."""
    packs: dict[str, set[str]] = {}
    for name, pack in installed().items():
        packs.setdefault(pack.kind, set()).add(name)
    return Surroundings(open_asset, {kind: frozenset(names) for kind, names in packs.items()}, settings.diffusers)


def _asked(request: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(operation, arguments) of the steps, in their parameters' types."""
    from packshot.editing.operations import OPERATIONS
    from packshot.editing.pipeline import checked, parameters

    if len(request["steps"]) > MOST_STEPS:
        raise RequestError("steps", len(request["steps"]), f"at most {MOST_STEPS}")
    asked = []
    for number, row in enumerate(request["steps"], 1):
        where = f"steps: {number}: "
        name = row.get("op")
        if not isinstance(name, str) or name not in OPERATIONS:
            raise RequestError(f"{where}op", f"'{str(name)[:80]}'", ", ".join(OPERATIONS))
        given = {key: value for key, value in row.items() if key != "op" and value is not None}
        asked.append((name, dict(checked(name, given, parameters(name), where))))
    return asked


def _colours(request: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """`recolour` once for each colourway."""
    from packshot.editing.pipeline import checked

    wanted = request["colourways"]
    if wanted is None:
        return []
    colours = wanted["to"]
    if not 1 <= len(colours) <= MOST_COLOURS or len({colour.casefold() for colour in colours}) < len(colours):
        raise RequestError("colourways.to", f"{len(colours)} colours", f"1 to {MOST_COLOURS}, each once")
    rest = {key: value for key, value in wanted.items() if key != "to" and value is not None}
    return [("recolour", dict(checked("recolour", {"to": colour, **rest}, where="colourways: "))) for colour in colours]


def _resolved(
    asked: Iterable[tuple[str, dict[str, Any]]], around: Surroundings
) -> tuple[list[Any], dict[object, object]]:
    """Steps to run, and what the client called the paths in them."""
    steps, names = [], dict[object, object]()
    for name, arguments in asked:
        meant = resolved(name, arguments, around)
        names |= {meant[key]: value for key, value in arguments.items() if meant[key] != value}
        steps.append(_step(name, meant))
    return steps, names


def _step(name: str, arguments: Mapping[str, Any]) -> Any:
    from packshot.editing.pipeline import Step

    return Step(name, arguments)


def with_names(certificate: Mapping[str, Any], names: Mapping[object, object]) -> dict[str, Any]:
    """A certificate that names pictures by their ids, and nothing of this machine."""
    steps = [
        {**step, "arguments": {key: names.get(value, value) for key, value in step["arguments"].items()}}
        for step in certificate["steps"]
    ]
    return {**certificate, "steps": steps}


def _kept(
    file: Path, document: dict[str, Any], photo: Asset, colour: str | None,
    asked: Sequence[tuple[str, dict[str, Any]]],
) -> tuple[NewAsset, NewAsset]:  # fmt: skip
    """The picture and its certificate as files to keep."""
    data, form = file.read_bytes(), file.suffix[1:]
    width, height = document["edited"]["size"]
    words = " ".join([photo.words, *(name for name, _ in asked), colour or ""]).casefold().strip()
    picture = NewAsset("edited", file.name, MEDIA_TYPES[form], data, (width, height), words)
    certificate = certificate_asset(document, picture)
    details = {
        "photo": photo.id,
        "certificate": certificate.id,
        "steps": [{"op": name, **arguments} for name, arguments in asked],
        "colour": colour,
        "sha256": hashlib.sha256(data).hexdigest(),
        "origin": document["origin"],
        "generative": document["generative"],
        **told(document),
    }
    return replace(picture, details=details), certificate
