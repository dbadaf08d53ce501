"""`/v1/edits` and `/v1/operations`: photos edited in steps, with certificates."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from packshot.server.api.bodies import Form, described, read_body
from packshot.server.api.inputs import Input
from packshot.server.api.jobs import JobOut, answered
from packshot.server.api.services import Asking, Server
from packshot.server.problems import documented
from packshot.server.tasks import edit, forms
from packshot.server.tasks.interface import file_of

router = APIRouter(prefix="/v1", tags=["edits"])
FORM = Form(pictures=("photo", "mask"), as_json=("steps", "colourways"))
UPLOADED_MASK = "@mask"
"""In an argument: the mask that came with the request."""

EXAMPLE = {
    "photo": "asset_019b0c1f2a3d4e5f60718293a4b5c6d",
    "steps": [{"op": "background", "to": "#f4f1ec"}, {"op": "shadow", "kind": "contact"}],
}


class ParameterOut(BaseModel):
    """A parameter of an operation."""

    name: str
    type: Literal["string", "number", "integer", "boolean"]
    required: bool
    default: str | float | int | bool | None
    docs: str
    asset: str | None = Field(description="The word before an asset's id, where the value may be a picture.")
    choices: list[str] | None = Field(description="Words that a form can list.")
    minimum: float | None
    maximum: float | None


class OperationOut(BaseModel):
    """A step that edits can take."""

    name: str = Field(examples=["background"])
    promise: Literal["product", "elsewhere", "nothing"] = Field(description="What of the product's pixels is copied.")
    needs_cut: bool = Field(description="Whether a cut-out comes before it, put in where there is none.")
    summary: str
    docs: str
    parameters: list[ParameterOut]


class OperationsOut(BaseModel):
    """All operations."""

    operations: list[OperationOut]


class ColourwaysIn(Input):
    """Colours to make one picture in each of; further fields are those of `recolour`."""

    to: list[str] = Field(min_length=1, max_length=edit.MOST_COLOURS)
    part: str = Field("", max_length=400)
    tolerance: float = Field(0.0, allow_inf_nan=False)
    strength: float = Field(1.0, allow_inf_nan=False)


class EditIn(Input):
    """What to do to a photo."""

    photo: str = Field(max_length=64, description="Id of an asset; in multipart, the photo itself.")
    steps: list[dict[str, Any]] = Field(
        default_factory=list, max_length=edit.MOST_STEPS,
        description="Tables with `op` and an operation's arguments, in order; in multipart as JSON.",
    )  # fmt: skip
    format: Literal["png", "jpg", "webp"] = "png"
    quality: int | None = Field(None, description="Of JPEG and WebP, 1 to 100; makes WebP lossy.")
    colourways: ColourwaysIn | None = Field(None, description="One picture in each colour, after the steps.")


@router.get("/operations", summary="List what edits can do", responses=documented(503))
def operations(server: Server) -> OperationsOut:
    """Operations with their parameters, as forms need them."""
    around = edit.surroundings(server.settings, lambda identity, where: file_of(server.assets, identity, where)[1])
    return OperationsOut.model_validate({"operations": forms.described(around)})


@router.post(
    "/edits", status_code=202, summary="Edit a photo", openapi_extra=described(EditIn, FORM, EXAMPLE),
    responses={200: {"model": JobOut}, **documented(400, 413, 415, 422, 429, 503)},
)  # fmt: skip
async def edit_photo(request: Request, server: Server, asking: Asking, response: Response) -> JobOut:
    """A job whose `result.pictures` name the edited pictures and their certificates."""
    body = await read_body(request, EditIn, FORM, server, asking)
    wanted = body.value.model_dump()
    mask = body.uploads.get("mask")
    if mask is not None:
        wanted["steps"] = [_with_mask(step, mask) for step in wanted["steps"]]
    wanted["cautions"] = await asyncio.to_thread(edit.understood, wanted, server.assets, server.settings)
    job, new = await asyncio.to_thread(server.submit, "edit", wanted, asking, body.said)
    return await answered(server, job, new, asking, response)


def _with_mask(step: dict[str, Any], mask: str) -> dict[str, Any]:
    return {
        key: value.replace(UPLOADED_MASK, mask) if isinstance(value, str) and key != "op" else value
        for key, value in step.items()
    }
