"""The OpenAPI document: as FastAPI makes it, but with the errors that this server really answers with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from packshot.server.problems import MEDIA_TYPE, OPENAI_PATHS, WHEN

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": _PROBLEM}}
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
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
            for status in (400, 503):
                operation["responses"].setdefault(
                    str(status), {"description": WHEN[status], "content": _PROBLEM_CONTENT}
                )
            content = _ERROR if name.startswith(OPENAI_PATHS) else _PROBLEM_CONTENT
            for status, response in operation["responses"].items():
                if int(status) >= 400 and _is_problem(response):
                    response["content"] = content
    for name in _OTHERS:
        document.get("components", {}).get("schemas", {}).pop(name, None)
    return document


def _is_problem(response: dict[str, Any]) -> bool:
    """Whether it is said to be a problem, or FastAPI's own form of an error."""
    schemas = [media.get("schema", {}) for media in response.get("content", {}).values()]
    return any(str(schema.get("$ref", "")).endswith(("/Problem", *_OTHERS)) for schema in schemas)
