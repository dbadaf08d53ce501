"""The OpenAPI document: as FastAPI makes it, but with the errors that this server really answers with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from packshot.server.problems import MEDIA_TYPE, OPENAI_PATHS

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_OTHERS = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """Let `/openapi.json` be that document."""
    plain = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(plain())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    for name, path in document["paths"].items():
        for operation in path.values():
            if name.startswith(OPENAI_PATHS):  # they answer with 400 instead
                operation["responses"].pop("422", None)
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    _as_problem(response)
    for name in _OTHERS:
        document.get("components", {}).get("schemas", {}).pop(name, None)
    return document


def _as_problem(response: dict[str, Any]) -> None:
    for media in response.get("content", {}).values():
        reference = str(media.get("schema", {}).get("$ref", ""))
        if reference.endswith(("/Problem", *_OTHERS)):
            response["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
            return
