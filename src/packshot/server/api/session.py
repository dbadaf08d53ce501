"""`/v1/session`: who asks; and for a browser, a cookie in place of the key, which no script can read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from packshot.server.api.services import Server
from packshot.server.problems import ProblemError
from packshot.server.security.gate import COOKIE
from packshot.server.security.keys import SESSION_SECONDS, Keys
from packshot.server.security.scopes import LOCAL

router = APIRouter(prefix="/v1/session", tags=["session"])
_COOKIE: dict[str, Any] = {"httponly": True, "samesite": "strict", "path": "/"}


class SessionOut(BaseModel):
    """Who asks."""

    name: str = Field(description="Of the key; `this machine` where the server asks for none.", examples=["shop"])
    scopes: list[str] = Field(examples=[["read", "generate"]])
    keys: bool = Field(description="Whether this server asks for keys.")


@router.get("", summary="Say who asks")
def read(server: Server) -> SessionOut:
    """401 where the server asks for a key and got none: a page then shows where to enter one."""
    return SessionOut(name=server.who.name, scopes=sorted(server.who.scopes), keys=server.who is not LOCAL)


@router.post("", summary="Begin a session in a browser")
def begin(request: Request, response: Response, server: Server) -> SessionOut:
    """Show a key as `Authorization: Bearer`; the answer sets a cookie that stands for it for seven days."""
    if server.who is not LOCAL:
        if COOKIE in request.cookies and "authorization" not in request.headers:
            raise ProblemError(409, "in_session", "a session's cookie; accepted: Authorization: Bearer KEY")
        token = Keys(server.database).begin_session(server.who.id)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, max_age=int(SESSION_SECONDS), secure=secure, **_COOKIE)
    return read(server)


@router.delete("", status_code=204, summary="End a session")
def end(request: Request, response: Response, server: Server) -> None:
    """Of this browser; others that were begun with the same key go on."""
    if token := request.cookies.get(COOKIE):
        Keys(server.database).end_session(token)
        response.delete_cookie(COOKIE, **_COOKIE)
