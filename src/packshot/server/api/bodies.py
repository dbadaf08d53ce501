"""Bodies that come as JSON, with ids of assets, or as multipart, with the files themselves; one model for both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from packshot.server.api.services import Asked, Services
from packshot.server.assets import NewAsset
from packshot.server.problems import ProblemError
from packshot.server.threads import run_in
from packshot.server.uploads import checked_document, checked_picture

Model = TypeVar("Model", bound=BaseModel)
MOST_JSON_BYTES = 2_000_000
MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Form:
    """How multipart fields make a body.

    Attributes:
        pictures: fields that are files of pictures, each of which becomes an asset.
        documents: fields that are JSON files, likewise.
        as_json: fields whose text is JSON.
        many: fields that may be repeated, and make a list.
    """

    pictures: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    as_json: tuple[str, ...] = ()
    many: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Body(Generic[Model]):
    """A body that was read.

    Attributes:
        value: checked, with the ids of assets where files came.
        said: the same with the sha256 of files, which stays the same when it is sent again.
        uploads: ids by field.
    """

    value: Model
    said: dict[str, Any]
    uploads: dict[str, str] = field(default_factory=dict)


async def read_body(request: Request, model: type[Model], form: Form, server: Services, asked: Asked) -> Body[Model]:
    """Read a body of either kind; files are kept as assets.

    Raises:
        ProblemError: another content type, or what is no JSON.
        RequestValidationError: another form.
        PackshotError: a file is not what it should be.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _checked(model, as_json(await limited(request), "body"))
    if kind != "multipart/form-data":
        raise ProblemError(415, "content_type", "the body is neither application/json nor multipart/form-data")
    async with request.form(max_files=8, max_fields=MOST_FIELDS, max_part_size=MOST_JSON_BYTES) as fields:
        files = files_of(fields, form)
        return await run_in(server.threads.pictures, _stored, fields, files, model, form, server, asked)


@asynccontextmanager
async def multipart(request: Request, most_files: int) -> AsyncIterator[FormData]:
    """Fields and files of a body that must be multipart."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ProblemError(415, "content_type", "the body is not multipart/form-data")
    async with request.form(max_files=most_files, max_fields=MOST_FIELDS, max_part_size=MOST_JSON_BYTES) as fields:
        yield fields


async def limited(request: Request) -> bytes:
    """A body of text, no longer than is accepted."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_JSON_BYTES:
            raise ProblemError(413, "too_large", f"the body has more than {MOST_JSON_BYTES / 1e6:g} MB")
    return bytes(data)


def as_json(text: bytes | str, where: str) -> Any:
    """What a text of JSON says; `ProblemError` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ProblemError(422, "invalid", f"{where}: no JSON", where=where) from None


def texts(fields: FormData, form: Form) -> dict[str, Any]:
    """The fields that are text, as values of a model."""
    values: dict[str, Any] = {}
    for name in fields:
        found = [one for one in fields.getlist(name) if isinstance(one, str)]
        if not found:
            continue
        if name in form.many:
            values[name] = [part.strip() for one in found for part in one.split(",") if part.strip()]
        elif len(found) > 1:
            raise ProblemError(422, "invalid", f"{name}: comes {len(found)} times; accepted: once", where=name)
        elif found[0] != "":  # an empty field of a form is one that was left alone
            values[name] = as_json(found[0], name) if name in form.as_json else found[0]
    return values


def files_of(fields: FormData, form: Form) -> dict[str, UploadFile]:
    """The fields that are files; `ProblemError` where there are others than the form knows, or one twice."""
    accepted, found = (*form.pictures, *form.documents), dict[str, UploadFile]()
    for name, one in fields.multi_items():
        if not isinstance(one, UploadFile):
            continue
        if name not in accepted:
            detail = f"{name[:80]}: got a file; accepted as files: {', '.join(accepted)}"
            raise ProblemError(422, "invalid", detail, where=name)
        if name in found:
            raise ProblemError(422, "invalid", f"{name}: got several files; accepted: one", where=name)
        found[name] = one
    return found


def validated(model: type[Model], values: object) -> Model:
    """The values as a model; `RequestValidationError` where they have another form."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None


def described(model: type[BaseModel], form: Form, example: Mapping[str, Any], *, json_too: bool = True
              ) -> dict[str, Any]:  # fmt: skip
    """`openapi_extra` of a route that reads such a body."""
    schema = _inlined(model.model_json_schema())
    content: dict[str, Any] = {"multipart/form-data": {"schema": _as_form(schema, form)}}
    if json_too:
        content = {"application/json": {"schema": schema, "example": dict(example)}, **content}
    return {"requestBody": {"required": True, "content": content}}


def _checked(model: type[Model], values: object) -> Body[Model]:
    value = validated(model, values)
    return Body(value, value.model_dump())


def _stored(
    fields: FormData, files: Mapping[str, UploadFile], model: type[Model], form: Form, server: Services, asked: Asked
) -> Body[Model]:
    """The body, once its files are kept and its fields have the form that they should have."""
    values = texts(fields, form)
    news: dict[str, NewAsset] = {}
    for name, file in files.items():
        check = checked_picture if name in form.pictures else checked_document
        news[name] = check(file.file, file.filename or name, server.settings.upload_bytes, asked.owner)
    value = validated(model, values | {name: new.id for name, new in news.items() if name in model.model_fields})
    with server.database.write() as connection:
        for new in news.values():
            server.assets.add(connection, new)
    said = {**value.model_dump(), **{name: hashlib.sha256(new.data).hexdigest() for name, new in news.items()}}
    return Body(value, said, {name: new.id for name, new in news.items()})


def _as_form(schema: dict[str, Any], form: Form) -> dict[str, Any]:
    """The schema of a model as that of multipart fields."""
    properties = {}
    for name, one in schema["properties"].items():
        if name in (*form.pictures, *form.documents):
            one = {"type": "string", "format": "binary", "description": one.get("description", "")}
        elif name in form.as_json:
            one = {"type": "string", "contentMediaType": "application/json", "description": one.get("description", "")}
        properties[name] = one
    for name in (*form.pictures, *form.documents):
        properties.setdefault(name, {"type": "string", "format": "binary"})
    return {**schema, "properties": properties}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without references."""
    known = schema.pop("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return plain(known[part["$ref"].rpartition("/")[2]])
            return {key: plain(value) for key, value in part.items()}
        return [plain(value) for value in part] if isinstance(part, list) else part

    inlined: dict[str, Any] = plain(schema)
    return inlined
