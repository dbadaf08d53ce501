"""Requests made out of an OpenAPI document: one that fits for each operation, and the places where strings go in it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx

Path = tuple[str | int, ...]
METHODS = ("get", "put", "post", "patch", "delete")
HINTS = {"channels": "amazon-main", "channel": "amazon-main", "name": "our-shop"}
"""Texts for fields of these names, where a document says no more than that they are texts."""


@dataclass
class Operation:
    """A route, and what it takes.

    Attributes:
        files: of a form, by name; whether each must be there.
        fields: of a JSON body (places as keys and indexes) or of a form (names).
        parameters: (where: query, header or path; name) of those that are strings.
    """

    method: str
    path: str
    json: Any = None
    form: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bool] = field(default_factory=dict)
    fields: list[Path] = field(default_factory=list)
    parameters: list[tuple[str, str]] = field(default_factory=list)

    def places(self) -> Iterator[tuple[str, Any]]:
        """Everywhere that a string of the client's choosing can stand."""
        yield from self.parameters
        yield from (("body", place) for place in self.fields)
        yield from ((where, name) for name in self.files for where in ("filename", "content"))

    def send(self, client: httpx.Client, ids: dict[str, str], picture: bytes, *, where: str = "", name: Any = "",
             text: str = "", headers: dict[str, str] | None = None) -> httpx.Response:  # fmt: skip
        """Ask, with `text` at one place and what fits at all others."""
        sent, query, path = dict(headers or {}), {}, self.path
        if where == "path":
            path = path.replace(f"{{{name}}}", httpx.QueryParams({"x": text}).__str__()[2:].replace("+", "%20"))
        elif where == "query":
            query[name] = text
        elif where == "header":
            sent[name] = text
        path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], "unknown"), path)
        plain = _with_ids(self.json, ids)  # examples name assets that are not there
        body = {"json": put(plain, name, text) if where == "body" else plain} if plain is not None else {}
        if self.form or self.files:
            values = {**self.form, name[0]: text} if where == "body" else self.form
            sends = [one for one, needed in self.files.items() if needed or one == name]
            files = [(one, _file(one, picture, where if one == name else "", text)) for one in sends]
            body = {"data": values, "files": files}
        return client.request(self.method, path, params=query, headers=sent, **body)


def operations(document: dict[str, Any]) -> list[Operation]:
    """All of a document, in its order; one for each kind of body that a route takes."""
    return [
        one
        for path, found in document["paths"].items()
        for method in METHODS
        if method in found
        for one in _operations(document, path, method, found[method])
    ]


def _operations(document: dict[str, Any], path: str, method: str, facts: dict[str, Any]) -> Iterator[Operation]:
    parameters = [
        (one["in"], one["name"])
        for one in facts.get("parameters", [])
        if set(_kinds(_whole(one.get("schema", {}), document))) & {"string", "array"}
    ]
    contents = facts.get("requestBody", {}).get("content", {"": {}})
    for media_type, content in contents.items():
        made = Operation(method.upper(), path, parameters=parameters)
        schema = _whole(content.get("schema", {}), document)
        if "json" in media_type:
            _fill_json(made, content, schema, document)
        elif "form" in media_type:
            _fill_form(made, schema, document)
        yield made


def _fill_json(made: Operation, content: dict[str, Any], schema: dict[str, Any], document: dict[str, Any]) -> None:
    examples = [content.get("example"), *(one["value"] for one in content.get("examples", {}).values())]
    made.json = next((one for one in examples if one is not None), None) or _example(schema, document)
    if isinstance(made.json, dict):
        small = {"count": 1, "n": 1, "size": 64}
        made.json = {
            **made.json, **{k: v for k, v in small.items() if _is_number(schema.get("properties", {}).get(k))}
        }  # fmt: skip
    made.fields = list(dict.fromkeys([*_strings(schema, document, ()), *_texts(made.json, ())]))


def _fill_form(made: Operation, schema: dict[str, Any], document: dict[str, Any]) -> None:
    for name, raw in schema.get("properties", {}).items():
        one = _whole(raw, document)
        if _is_file(one, document):
            made.files[name] = name in (*schema.get("required", ()), "table")
            continue
        made.fields.append((name,))
        if name in schema.get("required", ()):
            made.form[name] = HINTS.get(name) or _example(one, document)


def _file(name: str, picture: bytes, where: str, text: str) -> tuple[str, bytes, str]:
    """A file of a form: a table, a document or a picture; with `text` as its name, or in all that it says."""
    said = text if where == "content" else "red shoe"
    if name == "table":
        made = "t.csv", f'sku,title,photo,url\nA1,red shoe,"{said}","{said}"\n'.encode(), "text/csv"
    elif name == "certificate" or where == "content":
        made = "c.json", json.dumps({"photo": said, "original": said, "url": said}).encode(), "application/json"
    else:
        made = "p.png", picture, "image/png"
    return (text, *made[1:]) if where == "filename" else made


def _texts(value: Any, at: Path) -> Iterator[Path]:
    """Places of strings in an example, also where its schema leaves open what stands there."""
    if isinstance(value, str):
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _texts(one, (*at, key))


def _with_ids(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _with_ids(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_ids(inner, ids) for inner in value]
    return ids["asset_id"] if isinstance(value, str) and value.startswith("asset_") and "asset_id" in ids else value


def put(body: Any, place: Path, value: Any) -> Any:
    """A copy of a body with a value at a place, which is made where it is not there yet."""
    if not place:
        return value
    key, rest = place[0], place[1:]
    if isinstance(key, int):
        items = list(body) if isinstance(body, list) else []
        items = items or [None]
        return [put(items[0], rest, value), *items[1:]]
    known = copy.deepcopy(body) if isinstance(body, dict) else {}
    return {**known, key: put(known.get(key), rest, value)}


def _whole(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Without references and alternatives: the first that is not null."""
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _whole({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, document)
    for name in ("anyOf", "oneOf"):
        if name in schema:
            first = next((one for one in schema[name] if one.get("type") != "null"), {})
            return _whole({**{key: value for key, value in schema.items() if key != name}, **first}, document)
    if schema.get("allOf"):
        merged: dict[str, Any] = {"properties": {}, "type": "object"}
        for one in map(lambda part: _whole(part, document), schema["allOf"]):
            merged = {**merged, **one, "properties": {**merged["properties"], **one.get("properties", {})}}
        return merged
    return schema


def _kinds(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return kind if isinstance(kind, list) else [kind]


def _is_number(schema: dict[str, Any] | None) -> bool:
    return schema is not None and schema.get("type") == "integer"


def _is_file(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    inner = _whole(schema.get("items", schema), document)
    return inner.get("format") == "binary" or inner.get("contentMediaType") == "application/octet-stream"


def _example(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> Any:
    schema = _whole(schema, document)
    for name in ("const", "default", "example"):
        if schema.get(name) is not None:
            return schema[name]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    kind = next((one for one in _kinds(schema) if one != "null"), "object")
    if kind == "object":
        wanted = schema.get("required", ())
        inner = schema.get("properties", {})
        return {name: _example(inner[name], document, depth + 1) for name in wanted if name in inner and depth < 6}
    if kind == "array":
        return [_example(schema.get("items", {}), document, depth + 1) for _ in range(schema.get("minItems", 0))]
    if kind == "string" and (simple := re.fullmatch(r"\^\[(\w)[^\]]*\]\{(\d+)\}\$", schema.get("pattern", ""))):
        return simple[1] * int(simple[2])
    if kind == "string":
        return "red shoe"[: schema.get("maxLength", 8)]
    return False if kind == "boolean" else schema.get("minimum", 1)


def _strings(schema: dict[str, Any], document: dict[str, Any], at: Path) -> Iterator[Path]:
    """Places of strings, those of every alternative."""
    if len(at) > 6:
        return
    for name in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(name) or ():
            yield from _strings({**one}, document, at)
    schema = _whole(schema, document)
    kinds = _kinds(schema)
    if "string" in kinds and "enum" not in schema and "const" not in schema:
        yield at
    for name, inner in schema.get("properties", {}).items():
        yield from _strings(inner, document, (*at, name))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _strings(schema["additionalProperties"], document, (*at, "key"))
    if "array" in kinds:
        yield from _strings(schema.get("items", {}), document, (*at, 0))
