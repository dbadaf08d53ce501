"""Health, readiness and packs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from packshot import __version__
from packshot.phrases import chinese, with_chinese
from packshot.server.problems import ProblemError, documented
from packshot.server.tasks.packs import installed

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="Whether the process answers")
def health() -> dict[str, str]:
    """Always, where it does."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", summary="Whether a job would be begun at once", responses=documented(503))
def ready(request: Request) -> dict[str, str]:
    """503 while workers are starting, or where the database is away."""
    if not request.app.state.supervisor.ready():
        raise ProblemError(503, "starting", "workers are starting", {"Retry-After": "1"})
    return {"status": "ready"}


@router.get("/v1/packs", summary="List model packs", tags=["packs"])
def packs() -> dict[str, list[dict[str, Any]]]:
    """With what was measured of them."""
    found = installed()
    names = ("name", "version", "kind", "summary", "licence", "training_data", "quality")
    rows = [
        with_chinese({**{key: pack.manifest.get(key) for key in names}, "name": name, "sha256": pack.sha256}, "summary")
        for name, pack in found.items()
    ]
    for row in rows:
        numbers = [name for name, value in (row["quality"] or {}).items() if isinstance(value, int | float)]
        row["zh"]["quality"] = {name: chinese(name.replace("_", " ")) for name in numbers}
    return {"packs": rows}
