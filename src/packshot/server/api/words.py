"""`/v1/vocabulary`, `/v1/reword`: what a prompt can say, and changing one thing that it says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from packshot.server.api.generations import OF_PACK, Words
from packshot.server.api.inputs import Input
from packshot.server.api.services import Server
from packshot.server.tasks import generate
from packshot.server.words import Change, reworded, vocabulary

router = APIRouter(prefix="/v1", tags=["generations"])


class Value(BaseModel):
    """A value of a slot."""

    key: str = Field(examples=["handbag"])
    en: str
    zh: str


class CategoryValue(Value):
    """A kind of product."""

    drawn: bool = Field(description="Whether the pack can draw it.")


class ColourValue(Value):
    """A named colour."""

    hex: str = Field(examples=["#876450"])


class SlotsOut(BaseModel):
    """Values by slot."""

    category: list[CategoryValue]
    usage: list[Value]
    gender: list[Value]
    material: list[Value]
    style: list[Value]


class VocabularyOut(BaseModel):
    """What prompts can say."""

    slots: SlotsOut
    colours: list[ColourValue]


class ChangeIn(Input):
    """Of one thing that a prompt says."""

    slot: Literal["category", "usage", "gender", "material", "style", "colour"]
    value: str | None = Field(max_length=80, description="A key of the vocabulary, for a colour also #rrggbb; or null.")
    place: int = Field(0, ge=0, le=1, description="Of the colour; one past the last adds one.")


class RewordIn(Input):
    """A prompt and what shall become different."""

    prompt: Words
    change: ChangeIn
    language: Literal["en", "zh"] = Field("en", description="Of words that are put where there are none yet.")
    pack: str = Field("", max_length=80, description=OF_PACK)


class RewordedOut(BaseModel):
    """The new prompt."""

    prompt: str
    understood: dict[str, Any] = Field(description="As `POST /v1/understand` answers.")


@router.get("/vocabulary", summary="List what a prompt can say")
def read_vocabulary(
    server: Server, pack: Annotated[str, Query(max_length=80, description=OF_PACK)] = ""
) -> VocabularyOut:
    """Kinds of products, attributes and named colours, in both languages."""
    with generate.drawing(server.settings, pack) as backend:
        return VocabularyOut.model_validate(vocabulary(generate.categories(backend)))


@router.post("/reword", summary="Change one thing that a prompt says")
def reword(body: RewordIn, server: Server) -> RewordedOut:
    """Its words are replaced, taken out or put in, so that all else is understood as before."""
    with generate.drawing(server.settings, body.pack):
        prompt, read = reworded(body.prompt, Change(**body.change.model_dump()), body.language)
    return RewordedOut(prompt=prompt, understood=read.as_dict())
