"""`/v1/generations`: pictures from words."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Response
from pydantic import Field

from packshot.server.api.inputs import Input
from packshot.server.api.jobs import JobOut, answered
from packshot.server.api.services import Asking, Server
from packshot.server.problems import documented
from packshot.server.tasks import generate

router = APIRouter(prefix="/v1", tags=["generations"])
EXAMPLES = {
    "english": {"summary": "Four shoes", "value": {"prompt": "retro red running shoe", "count": 4, "seed": 1}},
    "chinese": {"summary": "一只手表", "value": {"prompt": "女士金色手表", "count": 1, "size": 512}},
}
Words = Annotated[str, Field(max_length=2_000)]
OF_PACK = "Whose kinds of product the words may name; the server's own if left out."


class GenerationIn(Input):
    """What to draw. The fields are those of `packshot.generation.GenerationRequest`, which checks their values."""

    prompt: Words = Field(description="Chinese, English or both.")
    count: int = Field(4, description="Pictures, 1 to 16.")
    seed: int | None = Field(None, description="0 to 2⁶³-1; drawn and told if left out.")
    size: int = Field(256, description="Side of the square picture, 64 to 2,048 pixels.")
    background: str = Field("white", max_length=64, description="white, transparent, #rrggbb or an asset's id.")
    steps: int | None = Field(None, description="Evaluations per picture; the pack knows a good number.")
    guidance: float | None = Field(None, description="Adherence to the prompt, 0 to 20; the pack knows a good number.")
    emphasis: float | None = Field(None, description="Stress on words beyond product and colour, 0 to 20.")
    colour_lock: float = Field(1.0, description="0 leaves the colour as generated, 1 moves it onto the request.")
    negative: Words = Field("", description="What the pictures shall move away from.")
    towards: Words = Field("", description="A second prompt: pictures go evenly from the first to it.")
    like: str = Field("", max_length=64, description="Id of a picture on plain white that the pictures start from.")
    change: float = Field(0.6, description="How much of that picture is given up, 0 to 1.")
    variety: float = Field(1.0, description="Between faithful and diverse, 0 to 2.")
    format: Literal["png", "jpg", "webp"] = "png"
    pack: str = Field("", max_length=80, description="Name of a pack of GET /v1/packs; the server's own if left out.")

    def as_request(self) -> dict[str, Any]:
        """Plain values for the job, with a seed."""
        seed = secrets.randbelow(2**31) if self.seed is None else self.seed
        return {**self.model_dump(), "seed": seed}


class PromptIn(Input):
    """Words to understand."""

    prompt: Words
    pack: str = Field("", max_length=80, description=OF_PACK)


@router.post(
    "/generations", status_code=202, summary="Draw pictures",
    responses={200: {"model": JobOut}, **documented(400, 415, 422, 429, 503)},
)  # fmt: skip
async def generate_pictures(
    body: Annotated[GenerationIn, Body(openapi_examples=EXAMPLES)], server: Server, asking: Asking, response: Response
) -> JobOut:
    """A job whose `result.assets` are the pictures; with `Prefer: wait=10` the answer comes when it has ended."""
    await asyncio.to_thread(server.insist_on_room, "generation", asking)
    request = body.as_request()
    await asyncio.to_thread(generate.understood, request, server.assets, server.settings)
    job, new = await asyncio.to_thread(server.submit, "generation", request, asking, body.model_dump())
    return await answered(server, job, new, asking, response)


@router.post("/understand", summary="Say how a prompt is understood", responses=documented(400))
def understand(body: PromptIn, server: Server) -> dict[str, Any]:
    """Product, attributes and colours that were read, and words that were not."""
    from packshot.prompt import parse

    with generate.drawing(server.settings, body.pack):
        return parse(body.prompt).as_dict()
