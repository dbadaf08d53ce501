"""`/v1/trainings`: packs of a shop's own pictures, with curves and sheets to watch, stopped and gone on with."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from packshot.errors import MissingExtraError, RequestError
from packshot.server.api.bodies import Form, as_json, described, limited, multipart, texts, validated
from packshot.server.api.inputs import Input
from packshot.server.api.jobs import JobOut, answered, begun_again, insist_on_end, shown
from packshot.server.api.services import Asked, Asking, Server, Services
from packshot.server.ids import new_id
from packshot.server.intake import keep_catalogue
from packshot.server.problems import documented, not_found
from packshot.server.queue import Job
from packshot.server.ranges import PARTS
from packshot.server.tasks import training
from packshot.server.threads import run_in

router = APIRouter(prefix="/v1/trainings", tags=["trainings"])
FORM = Form(documents=("catalogue",), as_json=("overrides",))
HERE = documented(404)
MOST_POINTS = 2_000
_SHEET = re.compile(r"step-(\d{8})\.png")
EXAMPLE = {"source": "autumn", "name": "our-shop", "recipe": "small-catalogue", "minutes": 60}


class TrainingIn(Input):
    """What to train; in multipart, the catalogue is a file beside it."""

    name: str = Field(max_length=80, description="Of the pack: letters a to z, digits, hyphens.")
    recipe: str = Field("small-catalogue", max_length=80, description="See GET /v1/trainings/options.")
    minutes: float = Field(description="In all, over all sittings.", allow_inf_nan=False)
    source: str = Field("", max_length=100, description="A folder that the operator lends; or upload a catalogue.")
    overrides: dict[str, int | float] = Field(default_factory=dict, max_length=20)
    note: str = Field("", max_length=500, description="Whose pictures they are; stands in the pack's card.")
    licence: str = Field("", max_length=200, description="Of the pack.")


class ResumeIn(Input):
    """How to go on."""

    minutes: float | None = Field(None, description="In all; as before if left out.", allow_inf_nan=False)


class OfferOut(BaseModel):
    """A training that can be asked for."""

    name: str
    title: str
    title_zh: str
    summary: str
    resolution: int
    minutes: float


class SettingOut(BaseModel):
    """What can be changed of it."""

    name: str
    type: str
    minimum: float
    maximum: float


class OptionsOut(BaseModel):
    """What trainings there are here."""

    recipes: list[OfferOut]
    sources: list[str]
    overrides: list[SettingOut]
    available: bool
    missing: str | None = Field(description="What to install, where trainings can't run here.")


class TrainingOut(BaseModel):
    """How far a training is."""

    job: JobOut
    name: str
    recipe: str
    minutes: float
    step: int | None
    spent_minutes: float | None
    resumable: bool
    prepared: dict[str, Any] | None = Field(description="Counts of the catalogue: rows, kept, why rows were dropped.")


class CurveOut(BaseModel):
    """Numbers over the steps."""

    points: list[dict[str, Any]]
    names: list[str] = Field(description="Of the numbers beside step, minutes and speed.")


class SheetOut(BaseModel):
    """A sheet of samples."""

    name: str
    step: int
    url: str


class SheetsOut(BaseModel):
    """All of them, the first step first."""

    sheets: list[SheetOut]


@router.get("/options", summary="List the trainings that can be asked for")
def options(server: Server) -> OptionsOut:
    """Recipes, catalogues that the operator lends, settings, and whether trainings can run here at all."""
    missing = None
    try:
        training.insist_on_packages()
    except MissingExtraError as error:
        missing = error.accepted
    return OptionsOut(
        recipes=[OfferOut.model_validate(offer, from_attributes=True) for offer in training.offers().values()],
        sources=training.sources(server.settings),
        overrides=[SettingOut(name=name, **dataclasses.asdict(one)) for name, one in training.OVERRIDES.items()],
        available=missing is None, missing=missing,
    )  # fmt: skip


@router.post(
    "", status_code=202, summary="Train a pack", openapi_extra=described(TrainingIn, FORM, EXAMPLE),
    responses={200: {"model": JobOut}, **documented(400, 413, 415, 422, 429, 503)},
)  # fmt: skip
async def train(request: Request, server: Server, asking: Asking, response: Response) -> JobOut:
    """A job that prepares the catalogue, trains and exports; then the pack is in GET /v1/packs."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        body = validated(TrainingIn, as_json(await limited(request), "body"))
        job, new = await run_in(server.threads.archives, _accepted, server, body.model_dump(), None, asking)
    else:
        async with multipart(request, 1) as fields:
            body = validated(TrainingIn, texts(fields, FORM))
            upload = fields.get("catalogue")
            catalogue = upload if isinstance(upload, UploadFile) else None
            job, new = await run_in(server.threads.archives, _accepted, server, body.model_dump(), catalogue, asking)
    return await answered(server, job, new, asking, response)


def _accepted(server: Services, values: dict[str, Any], catalogue: UploadFile | None, asking: Asked
              ) -> tuple[Job, bool]:  # fmt: skip
    """Unpack the catalogue into a folder of the training's own, and accept the job; else nothing is kept."""
    if bool(values["source"]) is (catalogue is not None):
        got = "both" if catalogue is not None else "neither"
        raise RequestError("catalogue", f"{got} a catalogue and a source", "one of the two")
    wanted = {**values, "folder": new_id("training")}
    training.understood(wanted, server.settings)
    folder = training.folder_of(server.settings, wanted)
    folder.mkdir(parents=True)
    new = False
    try:
        digest = keep_catalogue(catalogue, folder / training.CATALOGUE, server.settings) if catalogue else ""
        job, new = server.submit("training", wanted, asking, {**values, "catalogue": digest})
    finally:
        if not new:
            shutil.rmtree(folder, ignore_errors=True)
    return job, new


@router.get("/{job_id}", summary="Read how far a training is", responses=HERE)
def read(job_id: str, server: Server) -> TrainingOut:
    """Step, minutes, and what was made of the catalogue."""
    job, folder = _found(server, job_id)
    points = [point for point in training.curve(folder) if "learning_rate" in point]
    last = points[-1] if points else {}
    return TrainingOut(
        job=shown(job), name=job.request["name"], recipe=job.request["recipe"], minutes=job.request["minutes"],
        step=last.get("step"), spent_minutes=last.get("minutes"), resumable=training.resumable(folder),
        prepared=training.counts_of(folder) or None,
    )  # fmt: skip


@router.get("/{job_id}/curve", summary="Read the numbers of a training", responses=HERE)
def curve(job_id: str, server: Server, after: Annotated[int, Query(ge=-1, description="Of steps after this.")] = -1
          ) -> CurveOut:  # fmt: skip
    """Means of what was logged; of long trainings every n-th line."""
    _, folder = _found(server, job_id)
    points = [point for point in training.curve(folder) if point["step"] > after]
    names = list(dict.fromkeys(name for point in points for name in point))
    every = -(-len(points) // MOST_POINTS) or 1
    shared = ("step", "minutes", "learning_rate", "pictures_per_second")
    return CurveOut(points=points[::every], names=[name for name in names if name not in shared])


@router.get("/{job_id}/sheets", summary="List the sheets of a training", responses=HERE)
def sheets(job_id: str, server: Server) -> SheetsOut:
    """Samples that it drew on its way."""
    _, folder = _found(server, job_id)
    names = sorted(path.name for path in (folder / training.RUN / training.SHEETS).glob("step-*.png"))
    steps = [(name, found) for name in names if (found := _SHEET.fullmatch(name))]
    url = f"/v1/trainings/{job_id}/sheets"
    return SheetsOut(sheets=[SheetOut(name=name, step=int(found[1]), url=f"{url}/{name}") for name, found in steps])


@router.get(
    "/{job_id}/sheets/{name}", response_class=FileResponse, summary="Fetch a sheet", responses={**PARTS, **HERE}
)
def sheet(job_id: str, name: str, server: Server) -> FileResponse:
    """A PNG."""
    _, folder = _found(server, job_id)
    path = folder / training.RUN / training.SHEETS / name
    if not _SHEET.fullmatch(name) or not path.is_file():
        raise not_found("sheet")
    return FileResponse(path, media_type="image/png")


@router.post("/{job_id}/resume", status_code=202, summary="Go on with a training",
             responses=documented(400, 404, 409, 422, 429, 503))  # fmt: skip
def resume(
    job_id: str, server: Server, asking: Asking, response: Response, body: Annotated[ResumeIn | None, Body()] = None
) -> JobOut:
    """A new job in the same folder, from the last checkpoint; `minutes` in all may be more than before."""
    job, _ = _found(server, job_id)
    insist_on_end(job)
    training.insist_on_packages()
    minutes = job.request["minutes"] if body is None or body.minutes is None else body.minutes
    if not 0 < minutes <= training.LONGEST_MINUTES:
        raise RequestError("minutes", minutes, f"up to {training.LONGEST_MINUTES:,.0f}")
    return begun_again(server, job, {**job.request, "minutes": minutes}, asking, response)


@router.delete("/{job_id}", status_code=204, summary="Delete a training's files", responses=documented(404, 409))
def delete(job_id: str, server: Server) -> None:
    """Catalogue, shards, checkpoints, sheets; the pack stays. Not while it runs."""
    job, folder = _found(server, job_id)
    insist_on_end(job)
    shutil.rmtree(folder, ignore_errors=True)


def _found(server: Services, job_id: str) -> tuple[Job, Path]:
    job = server.queue.get(job_id)
    if job is None or job.kind != "training":
        raise not_found("training")
    folder = training.folder_of(server.settings, job.request)
    if not folder.is_dir():
        raise not_found("training: its files were deleted")
    return job, folder
