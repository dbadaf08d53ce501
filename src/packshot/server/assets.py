"""Pictures and other files that jobs take and make: content on disk by its sha256, facts in the database."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from packshot.server.blobs import Blobs
from packshot.server.database import Database
from packshot.server.ids import new_id
from packshot.server.tables import assets

SWEEP_GRACE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Asset:
    """A row of `tables.assets`.

    Attributes:
        kind: `upload`, `generated`, `edited`, `listing`, or `file`.
        details: what is to be known of it: recipe, prompt as understood, labels, certificate.
        words: that a search finds it by.
    """

    id: str
    kind: str
    sha256: str
    media_type: str
    name: str
    bytes: int
    width: int | None
    height: int | None
    words: str
    details: dict[str, Any]
    job_id: str | None
    owner: str
    created: float
    favourite: bool


@dataclass(frozen=True, slots=True)
class NewAsset:
    """A file to keep; see `Asset`. Its id is known before it is kept, so that results and details can name it."""

    kind: str
    name: str
    media_type: str
    data: bytes
    size: tuple[int, int] | None = None
    words: str = ""
    details: Mapping[str, Any] | None = None
    owner: str = "local"
    id: str = field(default_factory=partial(new_id, "asset"))


_FIELDS = tuple(assets.c[name] for name in Asset.__slots__)


class Assets:
    """Assets of one database, their contents below `home` or in a folder of a bucket.

    Attributes:
        owner: whose assets `get`, `search`, `mark` and `delete` reach; None for everybody's.
    """

    def __init__(self, database: Database, home: Path, bucket: str = "") -> None:
        blobs = Blobs(home / "assets", f"{bucket.rstrip('/')}/assets" if bucket else "")
        self.database, self.blobs, self._previews = database, blobs, home / "previews"
        self.owner: str | None = None

    def seen_by(self, owner: str | None) -> Assets:
        """The same assets, for whom only an owner's exist."""
        view = copy(self)
        view.owner = owner
        return view

    def _seen(self) -> tuple[sa.ColumnElement[bool], ...]:
        return () if self.owner is None else (assets.c.owner == self.owner,)

    def store(self, data: bytes) -> str:
        """Put content in its place, whole or not at all; its sha256."""
        return self.blobs.put(data)

    def path_of(self, sha256: str) -> Path:
        """A file with this content; see `Blobs.path`."""
        return self.blobs.path(sha256)

    def preview_path_of(self, sha256: str, side_px: int) -> Path:
        """Where a small version of a picture lies, if one was made."""
        return self._previews / sha256[:2] / f"{sha256}-{side_px}.webp"

    def add(self, connection: Connection, new: NewAsset, job_id: str | None = None) -> Asset:
        """Record a file, in a transaction of the caller's."""
        width, height = new.size or (None, None)
        row: dict[str, Any] = {
            "id": new.id, "kind": new.kind, "sha256": self.store(new.data), "media_type": new.media_type,
            "name": new.name[-200:], "bytes": len(new.data), "width": width, "height": height, "words": new.words,
            "details": dict(new.details or {}), "job_id": job_id, "owner": new.owner, "created": time.time(),
            "favourite": False,
        }  # fmt: skip
        connection.execute(assets.insert().values(row))
        return Asset(**row)

    def get(self, identity: str) -> Asset | None:
        """An asset by its id."""
        query = sa.select(*_FIELDS).where(assets.c.id == identity, *self._seen())
        with self.database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Asset(**row)

    def search(self, *, words: str = "", kinds: tuple[str, ...] = (), favourite: bool = False, before: str = "",
               oldest_first: bool = False, limit: int = 50) -> list[Asset]:  # fmt: skip
        """Assets that hold all of the words, the newest first; `before` is the last id of the page before."""
        query = sa.select(*_FIELDS).where(*self._seen()).limit(limit)
        query = query.order_by(assets.c.id if oldest_first else assets.c.id.desc())
        for word in words.casefold().split():
            query = query.where(assets.c.words.contains(word, autoescape=True))
        query = query.where(assets.c.kind.in_(kinds)) if kinds else query
        query = query.where(assets.c.favourite) if favourite else query
        if before:
            query = query.where(assets.c.id > before if oldest_first else assets.c.id < before)
        with self.database.read() as connection:
            return [Asset(**row) for row in connection.execute(query).mappings()]

    def mark(self, identity: str, *, favourite: bool) -> Asset | None:
        """Make an asset a favourite, or no more."""
        with self.database.write() as connection:
            changed = assets.update().where(assets.c.id == identity, *self._seen())
            connection.execute(changed.values(favourite=favourite))
        return self.get(identity)

    def delete(self, identity: str) -> bool:
        """Forget an asset; whether there was one. Its file goes with the next sweep, if no other asset has it."""
        with self.database.write() as connection:
            return connection.execute(assets.delete().where(assets.c.id == identity, *self._seen())).rowcount == 1

    def sweep(self, grace_seconds: float = SWEEP_GRACE_SECONDS) -> int:
        """Remove files that no asset has, of deleted ones and of killed writers, and their previews; how many.

        Younger files stay: their asset may be about to be recorded.
        """
        removed = 0
        for sha256 in self.blobs.aged(grace_seconds):
            if not self._is_known(sha256):
                self.blobs.remove(sha256)
                removed += 1
        for path in self._previews.glob("*/*"):
            with suppress(OSError):  # another server of the same folder may sweep, too
                if time.time() - path.stat().st_mtime > grace_seconds and not self._is_known(path.name[:64]):
                    path.unlink()
                    removed += 1
        return removed

    def _is_known(self, sha256: str) -> bool:
        with self.database.read() as connection:
            query = sa.select(assets.c.id).where(assets.c.sha256 == sha256).limit(1)
            return connection.execute(query).first() is not None
