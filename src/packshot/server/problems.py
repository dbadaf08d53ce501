"""Errors as RFC 9457 problem documents: one line for people, a code for programs, the request's id for the log."""

from __future__ import annotations

import errno
import json
import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolError
from starlette.exceptions import HTTPException

from packshot.errors import InputError, MissingExtraError, OutputError, PackshotError
from packshot.phrases import names, with_chinese
from packshot.server.logs import clean
from packshot.server.queue import BusyError, ReusedKeyError
from packshot.server.routing import allowed

MEDIA_TYPE = "application/problem+json"
OPENAI_PATHS = ("/v1/images/", "/v1/models")
_AWAY_SECONDS = 5
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_log = logging.getLogger("packshot.server")
_TITLES = {
    400: "Bad request", 401: "No valid key", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 413: "Too large", 415: "Unsupported media type", 422: "Not acceptable as it stands",
    408: "Too slow", 416: "No such range", 421: "Another host", 429: "Too much at once", 500: "A bug", 503: "Not ready",
}  # fmt: skip


class Problem(BaseModel):
    """An error as a document (RFC 9457)."""

    type: str = Field(examples=["urn:packshot:problem:refused"])
    title: str
    status: int
    code: str = Field(description="For programs; stays the same.", examples=["refused"])
    detail: str = Field(description="One line for people.", examples=["size: got 9,999; accepted: 64 to 2,048"])
    request_id: str | None = Field(description="Under which the server's log has it.")
    where: str | None = Field(None, description="The parameter that is at fault.")
    got: str | None = None
    accepted: str | None = None
    faults: list[dict[str, Any]] | None = Field(None, description="Of a body that has another form: each of them.")
    zh: dict[str, str] = Field(description="`detail`, `where`, `got` and `accepted` in Chinese.")


WHEN = {
    400: "The body can't be read, or the address has a NUL character in it.",
    404: "There is none of that id.", 409: "It is not in the state for that.",
    413: "A file has more bytes than this server takes.", 415: "A file is not what it should be, by its content.",
    416: "The range begins behind the end of the file.",
    422: "Something in the request is not acceptable; the detail says what, and what is.",
    429: "More is waiting than can be begun in time; `Retry-After` says when to try again.",
    503: "Something is not installed or not ready, the database is away, or the disk is full.",
}  # fmt: skip


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the problems that it answers with."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": WHEN[status]} for status in statuses
    }
    if 429 in found:
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        found[429]["headers"] = {"Retry-After": seconds}
    return found


class ProblemError(Exception):
    """An answer that is a problem document.

    Attributes:
        status: of HTTP.
        code: for programs; stays the same.
        detail: one line for people.
        more: further members.
        headers: of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more, self.headers = status, code, detail, more, headers or {}


def install(app: FastAPI) -> None:
    """Answer every error in this form."""

    @app.exception_handler(ProblemError)
    async def problem(request: Request, error: ProblemError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(PackshotError)
    async def refused(request: Request, error: PackshotError) -> JSONResponse:
        ours = {MissingExtraError: "missing_extra", OutputError: "storage"}  # nothing that a client could mend
        code = ours.get(type(error), "refused")
        status = 503 if type(error) in ours else 415 if isinstance(error, InputError) else 422
        told = request.app.state.services.settings.told
        facts: dict[str, Any] = {name: told(getattr(error, name)) for name in ("where", "got", "accepted")}
        return answer(request, ProblemError(status, code, told(error), **facts))

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> JSONResponse:
        seconds = max(1, math.ceil(error.seconds))
        detail = f"more is waiting than can be begun in time; try again in {seconds} s"
        return answer(request, ProblemError(429, "busy", detail, {"Retry-After": str(seconds)}))

    @app.exception_handler(ReusedKeyError)
    async def reused(request: Request, error: ReusedKeyError) -> JSONResponse:
        detail = "this Idempotency-Key came with another request before"
        return answer(request, ProblemError(422, "idempotency_key_reused", detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [{"where": ".".join(map(str, one["loc"])), "detail": one["msg"]} for one in error.errors()]
        detail = "; ".join(f"{fault['where']}: {fault['detail']}" for fault in faults[:3])
        return answer(request, ProblemError(422, "invalid", detail, faults=faults[:20]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        code = _TITLES.get(error.status_code, "error").casefold().replace(" ", "_")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = allowed(request.app.openapi(), request.scope["path"])
        return answer(request, ProblemError(error.status_code, code, str(error.detail), headers))

    @app.exception_handler(OutputError)
    @app.exception_handler(OSError)
    async def no_room(request: Request, error: OutputError | OSError) -> JSONResponse:
        if isinstance(error, OSError) and error.errno not in _FULL:
            raise error
        _log.error("can't write at %s %r: %s", request.method, request.scope["path"], error)
        return answer(request, _unavailable("no_room", "the server can't keep this now: its disk may be full"))

    @app.exception_handler(OperationalError)
    @app.exception_handler(PoolError)
    async def away(request: Request, error: Exception) -> JSONResponse:
        return answer(request, database_away(error))

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        _log.exception("a bug at %s %r", request.method, request.scope["path"], exc_info=error)
        return answer(request, ProblemError(500, "bug", "a bug; the server's log has it under this request's id"))


class _Json(JSONResponse):
    """May quote what a client sent: where that is no text (half a character), a question mark stands."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def database_away(error: Exception) -> ProblemError:
    """For a database that can't be reached, is locked for long, or has no room."""
    _log.error("can't use the database", exc_info=error)
    return _unavailable("database_away", "the server's database can't be used just now")


def _unavailable(code: str, detail: str) -> ProblemError:
    return ProblemError(503, code, f"{detail}; try again in {_AWAY_SECONDS} s", {"Retry-After": str(_AWAY_SECONDS)})


def answer(request: Request, error: ProblemError) -> JSONResponse:
    """The problem document of an error; in OpenAI's form where its clients ask."""
    if request.scope["path"].startswith(OPENAI_PATHS):
        return _as_openai(error)
    document = {
        "type": f"urn:packshot:problem:{error.code}",
        "title": _TITLES.get(error.status, "Error"),
        "status": error.status,
        "code": error.code,
        "detail": clean(error.detail),
        "request_id": getattr(request.state, "request_id", None),
        **{name: clean(value) if isinstance(value, str) else value for name, value in error.more.items()},
    }
    return _Json(with_words(document), error.status, error.headers, MEDIA_TYPE)


def with_words(document: dict[str, Any]) -> dict[str, Any]:
    """A problem, or a job's error, with its words in Chinese beside them."""
    found = with_chinese(document, "detail", "got", "accepted")
    if where := document.get("where"):
        found["zh"]["where"] = names("field").get(where, where)
    return found


def _as_openai(error: ProblemError) -> JSONResponse:
    """As OpenAI's API says it: one status for all that is wrong with a request."""
    status = 400 if error.status in (409, 415, 422) else error.status
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    faults = error.more.get("faults") or [{}]
    param = error.more.get("where") or str(faults[0].get("where", "")).removeprefix("body.") or None
    document = {"message": clean(error.detail), "type": kind, "param": param, "code": error.code}
    return _Json({"error": document}, status, error.headers)


def not_found(what: str) -> ProblemError:
    """For an id that is unknown."""
    return ProblemError(404, "not_found", f"there is no such {what}")
