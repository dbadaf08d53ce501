"""`/metrics`: figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_class=Response, summary="Read figures for Prometheus")
def metrics(request: Request) -> Response:
    """Of requests to this process, and of jobs and workers of the database; needs the scope `metrics`."""
    request.app.state.job_figures.count_ended()
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
