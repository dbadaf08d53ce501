"""Pictures from words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from packshot.errors import RequestError
from packshot.generation import GenerationRequest, open_backend
from packshot.generation.interface import Backend, Result
from packshot.lexicon import SLOTS, lexicon
from packshot.lexicon.colours import colour_entry
from packshot.lexicon.kinds import only_kinds
from packshot.prompt import Prompt
from packshot.provenance.generated import labelled
from packshot.server import stock
from packshot.server.assets import Assets, NewAsset
from packshot.server.settings import Settings
from packshot.server.tasks.interface import Context, Outcome, file_of
from packshot.server.tasks.packs import as_it_is, own_kinds, plain_pack

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
MOST_PICTURES = 16
"""Of one job, so that nobody waits long behind another."""

SECONDS_PER_PICTURE = 0.25
"""Of a worker, labels and all (benchmarks/serve_load.py); the queue corrects it by how long jobs really take."""


def understood(request: Mapping[str, Any], assets: Assets, settings: Settings) -> dict[str, Any]:
    """Check a request before it is accepted, and say how its prompt was understood.

    Args:
        request: fields of `GenerationRequest`, but that `like`, and a `background` that is a picture, are ids of
            assets; `format` png, jpg or webp; `pack` of the back-end.
        assets: where those are looked up.
        settings: of the server.

    Raises:
        PackshotError: it can't be drawn; says why.
    """
    wish = _wish(request, assets)
    form = request.get("format", "png")
    if form not in MEDIA_TYPES:
        raise RequestError("format", f"'{form}'", ", ".join(MEDIA_TYPES))
    if form == "jpg" and wish.background == "transparent":
        raise RequestError("format", "jpg with a transparent background", "png or webp")
    if wish.count > MOST_PICTURES:
        raise RequestError("count", wish.count, f"1 to {MOST_PICTURES}; more in further requests, with other seeds")
    with drawing(settings, request.get("pack", "")) as backend:
        prompt = backend.check(wish)
    return prompt.as_dict() if isinstance(prompt, Prompt) else {}


def generate(request: Mapping[str, Any], context: Context) -> Outcome:
    """Draw the pictures of a request."""
    settings = context.settings
    wish = _wish(request, context.assets)
    form = request.get("format", "png")
    named = {"like": request.get("like", ""), "background": request.get("background", wish.background)}
    made: list[NewAsset] = []
    pictures: list[dict[str, Any]] = []
    context.progress(0, wish.count)
    with drawing(settings, request.get("pack", "")) as backend:
        for result in backend.generate([wish]):
            # Ids instead of this machine's paths, in the file too.
            recipe = {**result.recipe, "request": {**wish.as_dict(), **named}}
            made.append(_kept(result, recipe, form, settings))
            pictures.append({"index": result.index, "seed": wish.seed})
            context.progress(len(made), wish.count)
    return Outcome({"pictures": pictures, "prompt": made[0].details["prompt"] if made[0].details else {}}, made)


def _kept(result: Result, recipe: dict[str, Any], form: str, settings: Settings) -> NewAsset:
    """A picture as a file to keep, with its labels and the words that find it."""
    name = f"picture-{result.index + 1:02}.{form}"
    file = labelled(result.pixels, Path(name), recipe, producer=settings.producer)
    details = {"recipe": recipe, "prompt": dict(result.prompt), "labels": dict(file.record)}
    words = " ".join([result.request.prompt, *_spoken(result.prompt)]).casefold()
    size = (result.pixels.shape[1], result.pixels.shape[0])
    return NewAsset("generated", name, MEDIA_TYPES[form], file.data, size, words, details)


@contextmanager
def drawing(settings: Settings, pack: str = "") -> Iterator[Backend]:
    """The server's back-end with a pack, by default its own; in the block prompts mean what that pack has learned.

    Raises:
        PackshotError: there is no such pack, it is damaged, or the bucket that has it cannot be read.
    """
    name = plain_pack(pack or settings.pack)
    stock.bring(settings, name)
    found = as_it_is(name)
    backend = _opened(settings.backend, name, "" if found is None else found.sha256)
    with only_kinds(own_kinds(found), f"pack '{name}'"):
        yield backend


def categories(backend: Backend) -> list[str] | None:
    """Kinds of products that a back-end's pack has learned; None where it does not say."""
    pack = getattr(backend, "pack", None)
    return None if pack is None else list(pack.manifest["generation"]["categories"])


def expected_seconds(request: Mapping[str, Any]) -> float:
    """Of a worker's time."""
    side = request.get("size", 256) / 256
    return float(SECONDS_PER_PICTURE * request.get("count", 4) * max(1.0, 0.7 + 0.3 * side * side))


def warm(settings: Settings) -> None:
    """Draw once, so that the first picture somebody waits for is quick."""
    with drawing(settings) as backend:
        for result in backend.generate([GenerationRequest("red shoe", count=1)]):
            labelled(result.pixels, Path("warm.png"), result.recipe)


@lru_cache(maxsize=3)
def _opened(name: str, pack: str, sha256: str) -> Backend:
    """A back-end, open from earlier calls as long as its pack is the same."""
    with only_kinds((), ""):  # those of the pack are for who draws with it
        return open_backend(name, pack)


def _pack(request: Mapping[str, Any], settings: Settings) -> str:
    """The name of the pack to draw with, which is here now, if any server has it."""
    name = plain_pack(request.get("pack") or settings.pack)
    stock.bring(settings, name)
    return name


def _wish(request: Mapping[str, Any], assets: Assets) -> GenerationRequest:
    known = {field.name for field in dataclasses.fields(GenerationRequest)}
    values = {key: value for key, value in request.items() if key in known}
    if values.get("like"):
        values["like"] = str(file_of(assets, values["like"], "like")[1])
    background = str(values.get("background", ""))
    if background and background not in ("white", "transparent") and not background.startswith("#"):
        values["background"] = str(file_of(assets, background, "background")[1])
    return GenerationRequest(**values)


def _spoken(prompt: Mapping[str, Any]) -> list[str]:
    """What was understood, in both languages, so that a search in either finds it."""
    words = lexicon().slots
    entries = [words[slot].get(prompt.get(slot) or "") for slot in SLOTS]
    spoken = [word for entry in entries if entry is not None for word in (entry.en[0], entry.zh[0])]
    colours = [entry for colour in prompt.get("colours", ()) if (entry := colour_entry(colour["name"], lexicon()))]
    return spoken + [word for entry in colours for word in (entry.en[0], entry.zh[0])]
