"""Says in the API's description what the gate asks of each route, and how it refuses."""

from __future__ import annotations

from typing import Any

from packshot.server.problems import MEDIA_TYPE, OPENAI_PATHS
from packshot.server.security.scopes import SCOPES, wanted

_SCHEME = {
    "type": "http", "scheme": "bearer", "bearerFormat": "packshot_…",
    "description": "A key of `packshot keys create`. A server without keys on this machine asks for none. Scopes: "
    + "; ".join(f"`{name}`: {means}" for name, means in SCOPES.items()) + ".",
}  # fmt: skip
_REFUSALS = {
    "401": "No key, or none that is in force.",
    "403": "The key lacks the scope, or another web page sent this.",
    "429": "Too many requests of this key, or too much waits; `Retry-After` says how long.",
}


def described(document: dict[str, Any]) -> dict[str, Any]:
    """Add the key, its scopes and the refusals to an OpenAPI document, in place."""
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {})["key"] = _SCHEME
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            scopes = wanted(method.upper(), path)
            if scopes is None or scopes:
                _describe(path, operation, sorted(scopes or {"admin"}))
    return document


def _describe(path: str, operation: dict[str, Any], scopes: list[str]) -> None:
    operation["security"] = [{"key": []}]
    operation["x-scopes"] = scopes
    openai = path.startswith(OPENAI_PATHS)
    schema = {"$ref": f"#/components/schemas/{'ErrorOut' if openai else 'Problem'}"}
    content = {"application/json" if openai else MEDIA_TYPE: {"schema": schema}}
    for status, description in _REFUSALS.items():
        operation["responses"].setdefault(status, {"description": description, "content": content})
