"""`/v1/checks`, `/v1/channels` and `/v1/verify`: pictures against marketplaces' rules, and against what they claim."""

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
from packshot.server.tasks import check, verify

router = APIRouter(prefix="/v1", tags=["checks"])
CHECK_FORM = Form(pictures=("picture",), many=("channels",))
VERIFY_FORM = Form(pictures=("picture", "original"), documents=("certificate",))
AN_ASSET = "asset_019b0c1f2a3d4e5f60718293a4b5c6d"
JOB = {200: {"model": JobOut}, **documented(400, 413, 415, 422, 429, 503)}


class SourceOut(BaseModel):
    """Where a rule comes from."""

    title: str
    date: str
    confidence: Literal["confirmed", "reported"]
    address: str


class RuleOut(BaseModel):
    """A rule of a channel."""

    rule: str
    values: dict[str, Any]
    source: SourceOut


class ChannelOut(BaseModel):
    """A place where pictures are sold from."""

    name: str = Field(examples=["amazon-main"])
    title: str
    title_zh: str
    format: str = Field(description="Of what a repair makes.")
    rules: list[RuleOut]


class ChannelsOut(BaseModel):
    """All channels."""

    channels: list[ChannelOut]


class CheckIn(Input):
    """A picture and the channels that it shall be right for."""

    picture: str = Field(max_length=64, description="Id of an asset; in multipart, the picture itself.")
    channels: list[str] = Field(
        min_length=1, max_length=check.MOST_CHANNELS, description="Names; see GET /v1/channels."
    )
    fix: bool = Field(False, description="Also repair what can be repaired.")
    language: Literal["en", "zh"] = "en"


class VerifyIn(Input):
    """A picture and, of an edited one, what it was made from."""

    picture: str = Field(max_length=64, description="Id of an asset; in multipart, the picture itself.")
    original: str | None = Field(None, max_length=64, description="The photo before; known of pictures edited here.")
    certificate: str | None = Field(None, max_length=64, description="Of the edit; known of pictures edited here.")


@router.get("/channels", summary="List channels with their rules and where those come from")
def channels() -> ChannelsOut:
    """As `packshot check --explain`."""
    from packshot.listing.channels import load_channels

    return ChannelsOut.model_validate({
        "channels": [
            {
                "name": channel.name, "title": channel.title, "title_zh": channel.title_zh,
                "format": channel.fix.format,
                "rules": [
                    {"rule": rule.name, "values": dict(rule.values),
                     "source": {key: getattr(rule.source, key) for key in ("title", "date", "confidence", "address")}}
                    for rule in channel.rules.values()
                ],
            }
            for channel in load_channels().values()
        ]
    })  # fmt: skip


@router.post(
    "/checks", status_code=202, summary="Check a picture by channels' rules", responses=JOB,
    openapi_extra=described(CheckIn, CHECK_FORM, {"picture": AN_ASSET, "channels": ["amazon-main"], "fix": True}),
)  # fmt: skip
async def check_picture(request: Request, server: Server, asking: Asking, response: Response) -> JobOut:
    """A job whose `result.reports` has each channel's verdicts and, with `fix`, the repaired picture."""
    body = await read_body(request, CheckIn, CHECK_FORM, server, asking)
    wanted = body.value.model_dump()
    await asyncio.to_thread(check.understood, wanted, server.assets)
    job, new = await asyncio.to_thread(server.submit, "check", wanted, asking, body.said)
    return await answered(server, job, new, asking, response)


@router.post(
    "/verify", status_code=202, summary="Read a picture's labels, and compute its certificate again", responses=JOB,
    openapi_extra=described(VerifyIn, VERIFY_FORM, {"picture": AN_ASSET}), tags=["verify"],
)  # fmt: skip
async def verify_picture(request: Request, server: Server, asking: Asking, response: Response) -> JobOut:
    """A job whose `result` says what the picture tells of itself, and whether its certificate holds."""
    body = await read_body(request, VerifyIn, VERIFY_FORM, server, asking)
    wanted = await asyncio.to_thread(verify.understood, body.value.model_dump(), server.assets)
    job, new = await asyncio.to_thread(server.submit, "verify", wanted, asking, body.said)
    return await answered(server, job, new, asking, response)
