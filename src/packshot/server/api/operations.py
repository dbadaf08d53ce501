"""Health and readiness."""

from __future__ import annotations

from fastapi import APIRouter, Request

from packshot import __version__
from packshot.server.problems import ProblemError, documented

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
