"""`/v1/images` and `/v1/models` in OpenAI's form, so that its clients work unchanged; errors in that form, too."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from packshot.errors import RequestError
from packshot.server import masks
from packshot.server.api.bodies import Form, described, multipart, texts, validated
from packshot.server.api.generations import GenerationIn
from packshot.server.api.inputs import Input
from packshot.server.api.jobs import ended
from packshot.server.api.services import Asked, Asking, Server, Services
from packshot.server.assets import Asset, NewAsset
from packshot.server.openai_words import Plan, plan
from packshot.server.problems import ProblemError
from packshot.server.queue import BusyError, Job
from packshot.server.tasks import edit, generate, packs
from packshot.server.threads import run_in
from packshot.server.uploads import checked_picture

router = APIRouter(prefix="/v1", tags=["OpenAI"])
OURS = "packshot"
"""The model that stands for the server's own pack."""

GENERATORS = ("flow", "gan", "vae")
MOST_EDITS = 4
WAIT_SECONDS = 150.0
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_FORMS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
FORM = Form(pictures=("image", "mask"))


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorOut(BaseModel):
    """An error in OpenAI's form."""

    error: ErrorDetail


class _Wish(Input):
    """What both kinds of requests have in common."""

    prompt: str = Field(max_length=2_000)
    model: str | None = Field(None, max_length=80, description="`packshot`, or the name of a pack.")
    n: int | None = Field(None, description="Pictures.")
    size: str | None = Field(None, max_length=20, description="`256x256`, `auto` …")
    response_format: Literal["url", "b64_json"] | None = Field(None, description="Both, where left out.")
    output_format: Literal["png", "jpeg", "webp"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    quality: str | None = Field(None, max_length=20, description="Changes nothing here.")
    moderation: str | None = Field(None, max_length=20, description="Changes nothing here.")
    user: str | None = Field(None, max_length=200, description="Is not kept.")
    safety_identifier: str | None = Field(None, max_length=200, description="Is not kept.")
    stream: Literal[False] | None = None
    seed: int | None = Field(None, ge=0, le=2**31 - 1, description="Of ours: the same seed gives the same pictures.")


class ImagesIn(_Wish):
    """Pictures from words."""

    style: str | None = Field(None, max_length=20, description="Changes nothing here.")


class ImageEditsIn(_Wish):
    """A picture, a prompt, and a mask where something is to be erased."""

    input_fidelity: str | None = Field(None, max_length=20, description="Changes nothing here: pixels are copied.")


class ImageOut(BaseModel):
    """A picture."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(None, description="How the prompt was understood.")


class ImagesOut(BaseModel):
    """Pictures."""

    created: int
    data: list[ImageOut]
    output_format: str
    background: str
    size: str


class ModelOut(BaseModel):
    """A model in OpenAI's form."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = OURS


class ModelsOut(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


@dataclass(frozen=True, slots=True)
class _Made:
    """Pictures as they are answered."""

    assets: list[Asset]
    revised_prompt: str | None


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut, "description": text}
    for status, text in {
        400: "The request is not acceptable; the message says why.", 404: "There is no such model.",
        413: "A file has more bytes than this server takes.", 429: "Too much waits; `Retry-After` says how long.",
        503: "It took too long, or something is not installed.",
    }.items()
}  # fmt: skip
_EXAMPLE = {"model": OURS, "prompt": "red running shoe", "n": 2, "size": "256x256", "response_format": "b64_json"}


@router.get("/models", summary="List models in OpenAI's form")
def models() -> ModelsOut:
    """`packshot`, and the packs that draw."""
    return ModelsOut(data=[ModelOut(id=name) for name in _models()])


@router.get("/models/{model}", summary="Read a model in OpenAI's form", responses={404: _REFUSALS[404]})
def model_of(model: str) -> ModelOut:
    """Its name is all there is."""
    _pack(model)
    return ModelOut(id=model)


@router.post("/images/generations", summary="Draw pictures, in OpenAI's form", responses=_REFUSALS)
async def generations(
    body: Annotated[ImagesIn, Body(openapi_examples={"shoes": {"value": _EXAMPLE}})],
    request: Request, server: Server, asking: Asking,
) -> ImagesOut:  # fmt: skip
    """The same as /v1/generations with `Prefer: wait`."""
    wish = GenerationIn.model_validate({
        "prompt": body.prompt, "count": body.n or 1, "seed": body.seed, "size": _side(body.size),
        "pack": _pack(body.model), "format": _form(body),
        "background": "transparent" if body.background == "transparent" else "white",
    })  # fmt: skip
    wanted = wish.as_request()
    prompt = await asyncio.to_thread(generate.understood, wanted, server.assets, server.settings)
    job, _ = await asyncio.to_thread(server.submit, "generation", wanted, asking, body.model_dump())
    job = await _done(server, job)
    assets = await asyncio.to_thread(_assets, server, _result(job)["assets"])
    revised = ", ".join(str(value) for value in (prompt.get("slots") or {}).values() if value) or None
    return _shown(request, server, body, _Made(assets, revised))


@router.post(
    "/images/edits", summary="Edit a picture, in OpenAI's form", responses=_REFUSALS,
    openapi_extra=described(ImageEditsIn, FORM, {}, json_too=False),
)  # fmt: skip
async def edits(request: Request, server: Server, asking: Asking) -> ImagesOut:
    """Another background in words or colours, none at all, or what the mask covers erased; nothing is invented."""
    async with multipart(request, 3) as fields:
        body = validated(ImageEditsIn, texts(fields, FORM))
        _pack(body.model)
        image, mask = fields.get("image") or fields.get("image[]"), fields.get("mask")
        if len(fields.getlist("image") + fields.getlist("image[]")) != 1 or not isinstance(image, UploadFile):
            raise RequestError("image", "none, or several", "one picture")
        masked = mask if isinstance(mask, UploadFile) else None
        wanted = await run_in(server.threads.pictures, _planned, server, body, image, masked, asking)
    done = [await _edited(server, one, asking, first=number == 0) for number, one in enumerate(wanted)]
    made = [_result(job)["pictures"][0]["asset"] for job in done]
    return _shown(request, server, body, _Made(await asyncio.to_thread(_assets, server, made), None))


async def _edited(server: Services, wanted: dict[str, Any], asking: Asked, *, first: bool) -> Job:
    """One picture after the other; where the first was accepted, those after it wait instead of being refused."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            job, _ = await asyncio.to_thread(server.submit, "edit", wanted, asking)
        except BusyError as error:
            if first or time.monotonic() + error.seconds > until:
                raise
            await asyncio.sleep(error.seconds)
        else:
            return await _done(server, job)


def _planned(server: Services, body: ImageEditsIn, image: UploadFile, mask: UploadFile | None, asking: Asked
             ) -> list[dict[str, Any]]:  # fmt: skip
    """The requests for edits, one for each picture."""
    if asking.idempotency_key:
        raise RequestError("Idempotency-Key", "one", "none here; /v1/edits takes it")
    most, count = server.settings.upload_bytes, body.n or 1
    photo = checked_picture(image.file, image.filename or "image", most, asking.owner)
    first = body.seed if body.seed is not None else secrets.randbelow(2**31 - MOST_EDITS)
    plans = [plan(body.prompt, masked=mask is not None, seed=first + number) for number in range(max(1, count))]
    if not 1 <= count <= (MOST_EDITS if plans[0].varies else 1):
        raise RequestError("n", count, f"1 to {MOST_EDITS}" if plans[0].varies else "1: more would be the same picture")
    kept = _keep(server, photo)
    ids = {"photo": kept.id}
    if mask is not None:
        ids = _masked(server, kept, checked_picture(mask.file, "mask.png", most, asking.owner), plans[0])
    wanted = [_edit(body, one, ids, (kept.width or 0, kept.height or 0)) for one in plans]
    for one in wanted:
        edit.understood(one, server.assets, server.settings)
    return wanted


def _masked(server: Services, photo: Asset, new: NewAsset, chosen: Plan) -> dict[str, str]:
    """Ids of the photo, cut by the mask where the plan says so, and of the mask as erasing takes it."""
    mask = _keep(server, new)
    shape, content = server.assets.path_of(mask.sha256), server.assets.path_of(photo.sha256)
    if chosen.cut_by_mask:
        return {"photo": _keep(server, masks.cut_by(shape, content, photo)).id}
    return {"photo": photo.id, "mask": _keep(server, masks.hole_of(shape, (photo.width or 0, photo.height or 0))).id}


def _edit(body: ImageEditsIn, chosen: Plan, ids: dict[str, str], own: tuple[int, int]) -> dict[str, Any]:
    steps = [{key: ids["mask"] if value == "@mask" else value for key, value in step.items()} for step in chosen.steps]
    if body.background == "transparent" and steps[0] != {"op": "background", "to": "transparent"}:
        raise RequestError("background", "transparent beside another edit", "auto, or 'remove the background'")
    if body.size not in (None, "auto", f"{own[0]}x{own[1]}"):
        if steps[0]["op"] == "erase":
            raise RequestError("size", f"'{body.size}'", "auto, where something is erased")
        found = _SIZE.fullmatch(body.size or "")
        if found is None:
            raise RequestError("size", f"'{body.size}'", "auto, or WIDTHxHEIGHT")
        steps.insert(0, {"op": "fit", "size": body.size, "upscale": True})
    return {"photo": ids["photo"], "steps": steps, "format": _form(body), "quality": None, "colourways": None}


def _keep(server: Services, new: NewAsset) -> Asset:
    with server.database.write() as connection:
        return server.assets.add(connection, new)


async def _done(server: Services, job: Job) -> Job:
    """A job that is done; what it failed of is raised."""
    job = await ended(server, job, WAIT_SECONDS)
    if not job.ended:
        await asyncio.to_thread(server.queue.cancel, job.id)
        raise ProblemError(503, "too_long", f"not done in {WAIT_SECONDS:g} s", {"Retry-After": "30"})
    if job.status != "done":
        error = job.error or {}
        status = 400 if error.get("code") == "refused" else 503
        raise ProblemError(status, str(error.get("code")), str(error.get("detail")), where=error.get("where"))
    return job


def _result(job: Job) -> dict[str, Any]:
    assert job.result is not None
    return job.result


def _assets(server: Services, ids: list[str]) -> list[Asset]:
    found = [server.assets.get(identity) for identity in ids]
    return [asset for asset in found if asset is not None]


def _shown(request: Request, server: Services, body: _Wish, made: _Made) -> ImagesOut:
    base = str(request.base_url).rstrip("/")
    data = []
    for asset in made.assets:
        picture = ImageOut(revised_prompt=made.revised_prompt)
        if body.response_format != "b64_json":
            picture.url = f"{base}/v1/assets/{asset.id}/content"
        if body.response_format != "url":
            picture.b64_json = base64.b64encode(server.assets.path_of(asset.sha256).read_bytes()).decode()
        data.append(picture)
    first = made.assets[0]
    return ImagesOut(
        created=int(time.time()), data=data, output_format=body.output_format or "png",
        background="transparent" if body.background == "transparent" else "opaque",
        size=f"{first.width}x{first.height}",
    )  # fmt: skip


def _side(size: str | None) -> int:
    if size in (None, "auto"):
        return 256
    found = _SIZE.fullmatch(size or "")
    if found is None or found[1] != found[2]:
        raise RequestError("size", f"'{size}'", "auto, or a square such as 256x256, 512x512, 1024x1024")
    return int(found[1])


def _form(body: _Wish) -> Any:
    return _FORMS[body.output_format or "png"]


def _models() -> list[str]:
    return [OURS, *(name for name, pack in packs.installed().items() if pack.kind in GENERATORS)]


def _pack(model: str | None) -> str:
    """The pack that a model's name stands for; empty for the server's own."""
    if not model or model == OURS:
        return ""
    if model not in (known := _models()):
        raise ProblemError(404, "model_not_found", f"there is no model '{model}'; there are {', '.join(known)}",
                           where="model")  # fmt: skip
    return model
