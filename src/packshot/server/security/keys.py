"""API keys and the sessions that a browser gets for one, in the database.

A key is 256 random bits behind a prefix that scanners of leaked secrets can know; only its sha256 is kept. A slow,
salted hash is for what people make up: it makes each of few guesses dear. Of 2²⁵⁶ keys nobody guesses any, at a
billion tries a second neither, so what a slow hash would add is load on every request. Keys are found by their hash,
so what the time of the look-up tells is about the hash of a guess, from which no key follows; the last word is a
comparison in constant time all the same.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from packshot.errors import RequestError
from packshot.server.database import Database
from packshot.server.ids import new_id
from packshot.server.security.scopes import LOCAL, Principal
from packshot.server.tables import keys, sessions

PREFIX = "packshot_"
SESSION_SECONDS = 7 * 86_400.0
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")
_FACTS = tuple(keys.c[name] for name in ("id", "name", "scopes", "per_minute", "created", "revoked", "used"))


@dataclass(frozen=True, slots=True)
class Key:
    """A row of `tables.keys`, without its hash; times are seconds since 1970."""

    id: str
    name: str
    scopes: list[str]
    per_minute: int
    created: float
    revoked: float | None
    used: float | None

    @property
    def principal(self) -> Principal:
        """Whoever shows it."""
        return Principal(self.id, self.name, frozenset(self.scopes))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a key's requests.

    Attributes:
        granted: whether this one is within them.
        left: whole requests.
        seconds: until all of them are there again where `granted`, else until the next one is.
    """

    granted: bool
    left: int
    seconds: float


class Keys:
    """Of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # ---- For the operator ---------------------------------------------------------------------------------------

    def create(self, name: str, scopes: tuple[str, ...], per_minute: int) -> tuple[Key, str]:
        """A new key, and its text: shown now or never.

        Raises:
            RequestError: a name that a key in force has, or that is empty; a rate out of range.
        """
        if not name.strip() or len(name) > 80 or not name.isprintable():
            raise RequestError("NAME", repr(name), "1 to 80 characters")
        if not 1 <= per_minute <= 1_000_000:
            raise RequestError("--per-minute", per_minute, "1 to 1,000,000")
        text = _new_text()
        row: dict[str, Any] = {
            "id": new_id("key"), "name": name, "scopes": list(scopes), "per_minute": per_minute,
            "created": time.time(), "revoked": None, "used": None,
        }  # fmt: skip
        with self.database.write() as connection:
            same = sa.select(keys.c.id).where(keys.c.name == name, keys.c.revoked.is_(None))
            if connection.execute(same).first() is not None:
                raise RequestError("NAME", f"'{name}', which a key has", "another name, or packshot keys rotate NAME")
            connection.execute(keys.insert().values(**row, sha256=digest(text), tokens=float(per_minute)))
        return Key(**row), text

    def listed(self) -> list[Key]:
        """All that there ever were, the oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(sa.select(*_FACTS).order_by(keys.c.id)).mappings()
            return [Key(**row) for row in rows]

    def revoke(self, name: str) -> Key:
        """End a key, and every session that was begun with it, at once.

        Args:
            name: or id.

        Raises:
            RequestError: no key in force is called so.
        """
        key = self._in_force(name)
        with self.database.write() as connection:
            connection.execute(keys.update().where(keys.c.id == key.id).values(revoked=time.time()))
            connection.execute(sessions.delete().where(sessions.c.key_id == key.id))
        return key

    def rotate(self, name: str) -> tuple[Key, str]:
        """Another text for a key that keeps its jobs and assets; the old one and its sessions end. Else as `revoke`."""
        key, text = self._in_force(name), _new_text()
        with self.database.write() as connection:
            connection.execute(keys.update().where(keys.c.id == key.id).values(sha256=digest(text)))
            connection.execute(sessions.delete().where(sessions.c.key_id == key.id))
        return key, text

    def _in_force(self, name: str) -> Key:
        found = [key for key in self.listed() if key.revoked is None and name in (key.id, key.name)]
        if not found:
            raise RequestError("NAME", f"'{name[:80]}'", "name or id of a key in force; packshot keys list")
        return found[0]

    # ---- For the gate -------------------------------------------------------------------------------------------

    def any_in_force(self) -> bool:
        """Whether somebody can show a key."""
        with self.database.read() as connection:
            return connection.execute(sa.select(keys.c.id).where(keys.c.revoked.is_(None)).limit(1)).first() is not None

    def any_ever(self) -> bool:
        """Whether there ever was a key: from then on the server asks for one, lest revoking the last opens it."""
        with self.database.read() as connection:
            return connection.execute(sa.select(keys.c.id).limit(1)).first() is not None

    def found(self, text: str) -> Key | None:
        """The key in force with this text."""
        return self._matching(text, keys.c.sha256) if _KEY.fullmatch(text) else None

    def of_session(self, token: str) -> Key | None:
        """The key in force that a session was begun with, while it lasts."""
        if not _SESSION.fullmatch(token):
            return None
        return self._matching(
            token, sessions.c.sha256, sessions.c.key_id == keys.c.id, sessions.c.expires > time.time()
        )

    def begin_session(self, key_id: str) -> str:
        """A token for a browser's cookie; only its sha256 is kept."""
        token, now = secrets.token_urlsafe(32), time.time()
        values = {"sha256": digest(token), "key_id": key_id, "created": now, "expires": now + SESSION_SECONDS}
        with self.database.write() as connection:
            connection.execute(sessions.delete().where(sessions.c.expires < now))
            connection.execute(sessions.insert().values(values))
        return token

    def end_session(self, token: str) -> None:
        """Forget a session."""
        with self.database.write() as connection:
            connection.execute(sessions.delete().where(sessions.c.sha256 == digest(token)))

    def take(self, key: Key) -> Allowance:
        """Take one request out of a key's bucket, which all servers of this database share.

        A bucket holds a minute's requests and fills evenly (token bucket).
        """
        with self.database.write() as connection:
            query = sa.select(keys.c.tokens, keys.c.used).where(keys.c.id == key.id).with_for_update()
            row, now = connection.execute(query).one(), time.time()
            passed = 0.0 if row.used is None else max(0.0, now - row.used)  # clocks of several servers differ
            rate = key.per_minute / 60
            tokens = min(float(key.per_minute), row.tokens + passed * rate)
            granted = tokens >= 1
            left = tokens - 1 if granted else tokens
            connection.execute(keys.update().where(keys.c.id == key.id).values(tokens=left, used=now))
        seconds = (key.per_minute - left) / rate if granted else (1 - left) / rate
        return Allowance(granted, int(left), seconds)

    def _matching(self, secret: str, column: sa.Column[str], *conditions: sa.ColumnElement[bool]) -> Key | None:
        expected = digest(secret)
        query = sa.select(*_FACTS, column.label("hash")).where(
            column == expected, keys.c.revoked.is_(None), *conditions
        )
        with self.database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None or not hmac.compare_digest(str(row["hash"]), expected):
            return None
        return Key(**{name: value for name, value in row.items() if name != "hash"})


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def view_of(database: Database, owner: str) -> str | None:
    """Whose assets a job of this owner may use: None for everybody's, of a key with the scope `admin`."""
    if owner == LOCAL.id:
        return LOCAL.view
    with database.read() as connection:
        row = connection.execute(sa.select(keys.c.scopes).where(keys.c.id == owner)).first()
    return owner if row is None else Principal(owner, "", frozenset(row.scopes)).view


def _new_text() -> str:
    return PREFIX + secrets.token_urlsafe(32)
