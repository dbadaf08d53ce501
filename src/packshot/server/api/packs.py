"""`/v1/packs`: models that are there, and taking away those that were trained here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from packshot.lexicon import shipped_categories
from packshot.packs import Pack
from packshot.phrases import chinese
from packshot.server import shelf
from packshot.server.api.services import Server
from packshot.server.problems import documented
from packshot.server.tasks.packs import installed, own_kinds

router = APIRouter(prefix="/v1/packs", tags=["packs"])


class KindOut(BaseModel):
    """A kind of product."""

    key: str = Field(examples=["handbag"])
    en: str
    zh: str
    own: bool = Field(description="Whether it is none of those that ship, but the shop's own.")


class PackOut(BaseModel):
    """A model pack."""

    name: str = Field(description="For requests.", examples=["base"])
    version: str
    kind: str = Field(description="flow, gan and vae draw; matting cuts out, view draws views, judge measures.")
    summary: str
    licence: str
    training_data: Any = Field(description="In words, or a table.")
    quality: dict[str, Any] = Field(description="What was measured of it.")
    kinds: list[KindOut] = Field(description="Of product, that it draws; empty for packs that don't draw.")
    sha256: str = Field(description="Of its manifest, which pins all its files.")
    removable: bool = Field(description="Whether the key that asks may delete it.")
    zh: dict[str, Any] = Field(description="`summary`, and the names of `quality`, in Chinese.")


class PacksOut(BaseModel):
    """All of them."""

    packs: list[PackOut]


@router.get("", summary="List model packs")
def packs(server: Server) -> PacksOut:
    """With what was measured of them."""
    removable = shelf.removable(server.who, server.database, server.settings)
    return PacksOut(packs=[_shown(name, pack, name in removable) for name, pack in installed().items()])


@router.delete(
    "/{name}", status_code=204, summary="Delete a pack that was trained here", responses=documented(404, 409, 422)
)  # fmt: skip
def delete(name: str, server: Server) -> None:
    """Those of one's own trainings; all that were trained here for the scope `admin`. Not while a job needs it."""
    shelf.remove(name, server.who, server.database, server.settings)


def _shown(name: str, pack: Pack, removable: bool) -> PackOut:
    card, summary = pack.manifest, str(pack.manifest.get("summary", ""))
    numbers = [key for key, value in card["quality"].items() if isinstance(value, int | float)]
    told = {"summary": chinese(summary), "quality": {key: chinese(key.replace("_", " ")) for key in numbers}}
    return PackOut(
        name=name, version=str(card["version"]), kind=pack.kind, summary=summary, licence=str(card["licence"]),
        training_data=card["training_data"], quality=dict(card["quality"]), kinds=[*_kinds(pack)],
        sha256=pack.sha256, removable=removable, zh=told,
    )  # fmt: skip


def _kinds(pack: Pack) -> Iterator[KindOut]:
    own, shipped = {row["key"]: row for row in own_kinds(pack)}, shipped_categories()
    for key in pack.manifest.get("generation", {}).get("categories", ()):
        if key in own:
            yield KindOut(key=key, en=own[key]["en"][0], zh=own[key]["zh"][0], own=True)
        elif key in shipped:
            yield KindOut(key=key, en=shipped[key].en[0], zh=shipped[key].zh[0], own=False)
