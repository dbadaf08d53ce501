"""`/docs`: the API's description to read and try, out of files of this machine alone, as the page's policy wants it."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>packshot API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"><link rel="icon" href="data:,"><div id="api"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></html>
"""
_START = """SwaggerUIBundle({url: "/openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null,
  queryConfigEnabled: false, persistAuthorization: false});
"""


@router.get("/docs")
def page() -> HTMLResponse:
    """Swagger UI."""
    return HTMLResponse(_PAGE)


@router.get("/docs/start.js")
def start() -> Response:
    """Its beginning, in a file of its own: the policy runs no script that stands in a page."""
    return Response(_START, media_type="text/javascript")


def install(app: FastAPI) -> None:
    """Add the routes, and Swagger UI's files out of the package that carries them."""
    app.include_router(router)
    files = str(resources.files("fastapi_swagger").joinpath("resources"))
    app.mount("/docs/assets", StaticFiles(directory=files), name="docs")
