"""What a key may do, and which scope each route asks for. The one table of it: a route that is not here is refused."""

from __future__ import annotations

from dataclasses import dataclass

from packshot.errors import RequestError

SCOPES: dict[str, str] = {
    "read": "read own jobs, assets and whatever the server offers",
    "upload": "upload, mark and delete own assets",
    "generate": "draw pictures",
    "edit": "edit photos",
    "check": "check pictures against marketplaces' rules, verify labels and certificates",
    "listing": "make listings of catalogues",
    "train": "train models, delete those of own trainings",
    "metrics": "read /metrics",
    "admin": "all of these, for everybody's jobs and assets",
}
"""Name -> what it allows."""

TASK_SCOPES = {
    "generation": "generate", "edit": "edit", "check": "check", "verify": "check", "listing": "listing",
    "training": "train",
}  # fmt: skip
"""Kind of job -> the scope that asking for one takes, whichever route does; others take `admin`."""

_WORK = frozenset(TASK_SCOPES.values())
_READ = frozenset({"read"})
_ANY = frozenset(SCOPES)
_READING = frozenset({"GET", "HEAD"})

PUBLIC: frozenset[str] = frozenset()
"""No key is asked for: health, the page's own files and the API's description hold nothing of anybody's."""


@dataclass(frozen=True, slots=True)
class _Noun:
    """Scopes of a group of routes; any one of a set is enough. None: there are no such routes."""

    reading: frozenset[str] | None
    writing: frozenset[str] | None = None


_NOUNS: dict[str, _Noun] = {
    "/healthz": _Noun(PUBLIC),
    "/readyz": _Noun(PUBLIC),
    "/openapi.json": _Noun(PUBLIC),
    "/docs": _Noun(PUBLIC),
    "/metrics": _Noun(frozenset({"metrics"})),
    "/v1/session": _Noun(_ANY, _ANY),
    "/v1/assets": _Noun(_READ, frozenset({"upload"})),
    "/v1/jobs": _Noun(_READ, _WORK),
    "/v1/packs": _Noun(_READ, frozenset({"train"})),
    "/v1/models": _Noun(_READ),
    "/v1/channels": _Noun(_READ),
    "/v1/operations": _Noun(_READ),
    "/v1/vocabulary": _Noun(_READ),
    "/v1/understand": _Noun(None, frozenset({"generate"})),
    "/v1/reword": _Noun(None, frozenset({"generate"})),
    "/v1/generations": _Noun(_READ, frozenset({"generate"})),
    "/v1/images/generations": _Noun(None, frozenset({"generate"})),
    "/v1/images/edits": _Noun(None, frozenset({"edit"})),
    "/v1/edits": _Noun(_READ, frozenset({"edit"})),
    "/v1/checks": _Noun(_READ, frozenset({"check"})),
    "/v1/verify": _Noun(_READ, frozenset({"check"})),
    "/v1/listings": _Noun(_READ, frozenset({"listing"})),
    "/v1/trainings": _Noun(_READ, frozenset({"train"})),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        id: of the key; `local` on a server without keys.
        name: of it.
        scopes: names out of `SCOPES`.
    """

    id: str
    name: str
    scopes: frozenset[str]

    def may(self, wanted: frozenset[str] | str) -> bool:
        """Whether one of these scopes is held; `admin` holds all."""
        names = {wanted} if isinstance(wanted, str) else wanted
        return not names or "admin" in self.scopes or bool(names & self.scopes)

    @property
    def view(self) -> str | None:
        """Whose jobs and assets are seen: None for everybody's."""
        return None if "admin" in self.scopes else self.id


LOCAL = Principal("local", "this machine", frozenset({"admin"}))
"""Everybody, on a server that has no keys and that only this machine reaches."""


def wanted(method: str, path: str) -> frozenset[str] | None:
    """The scopes that a request asks for, any one of them; empty for none; None where nothing declares it.

    Args:
        method: of HTTP, in capitals.
        path: as asked for, or a route's template.
    """
    parts = path.rstrip("/").split("/")
    for end in range(len(parts), 1, -1):
        noun = _NOUNS.get("/".join(parts[:end]))
        if noun is not None:
            return noun.reading if method in _READING else noun.writing
    inside = path == "/v1" or path.startswith("/v1/")
    return PUBLIC if method in _READING and not inside else None


def parsed(text: str) -> tuple[str, ...]:
    """Scopes as the command line has them, with commas between, in the table's order.

    Raises:
        RequestError: one that is unknown, or none.
    """
    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names or names - SCOPES.keys():
        got = ", ".join(sorted(names - SCOPES.keys())) or "none"
        raise RequestError("--scopes", got, ", ".join(SCOPES))
    return tuple(name for name in SCOPES if name in names)
