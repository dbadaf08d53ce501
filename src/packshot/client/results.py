"""What the server's documents become: frozen types, and the ones that can fetch their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from packshot.client.client import Client

Item = TypeVar("Item")
Status = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Asset:
    """A file on the server.

    Attributes:
        id: `asset_…`.
        kind: upload, generated, edited, listing or file.
        name: of the file.
        media_type: such as image/png.
        width: of a picture, pixels.
        height: likewise.
        details: recipe, prompt as understood, labels, certificate.
        favourite: whether somebody likes it.
        created: when.
    """

    id: str
    kind: str
    name: str
    media_type: str
    width: int | None
    height: int | None
    details: Mapping[str, Any]
    favourite: bool
    created: datetime
    _client: Client = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: Client) -> Asset:
        """From the server's document."""
        names = ("id", "kind", "name", "media_type", "width", "height", "details", "favourite")
        values = {name: document[name] for name in names}
        return cls(**values, created=datetime.fromisoformat(document["created"]), _client=client)

    def content(self) -> bytes:
        """Its bytes."""
        return self._client.content(self.id)

    def save(self, place: str | Path) -> Path:
        """Write it to a file, or into a folder under its own name; where it is now."""
        path = Path(place)
        path = path / self.name if path.is_dir() or str(place).endswith("/") else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content())
        return path


@dataclass(frozen=True, slots=True)
class Job:
    """Work on the server, as it was when it was asked for.

    Attributes:
        id: `job_…`.
        kind: generation, edit, check, verify, listing or training.
        status: queued, running, done, failed or cancelled.
        progress: 0 to 1.
        stage: what it is at, in words.
        request: as it was accepted.
        result: where it is done.
        error: `code` and `detail` where it failed.
    """

    id: str
    kind: str
    status: Status
    progress: float
    stage: str
    request: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    _client: Client = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: Client) -> Job:
        """From the server's document."""
        names = ("id", "kind", "status", "progress", "stage", "request", "result", "error")
        return cls(**{name: document[name] for name in names}, _client=client)

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.status in ("done", "failed", "cancelled")

    @property
    def assets(self) -> list[Asset]:
        """What it made."""
        return [self._client.asset(identity) for identity in (self.result or {}).get("assets", ())]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of product that a pack draws.

    Attributes:
        key: as prompts that were understood name it.
        en: the first English word for it.
        zh: the first Chinese one.
        own: whether it is none of those that ship, but the shop's own.
    """

    key: str
    en: str
    zh: str
    own: bool


@dataclass(frozen=True, slots=True)
class Pack:
    """A model pack of the server's.

    Attributes:
        name: for requests.
        kind: flow, gan and vae draw; matting cuts out, view draws views, judge measures.
        version: of the pack.
        summary: one line.
        licence: of it.
        training_data: in words, or a table.
        quality: what was measured of it.
        kinds: of product, that it draws.
        sha256: of its manifest, which pins all its files.
        removable: whether this client's key may delete it.
    """

    name: str
    kind: str
    version: str
    summary: str
    licence: str
    training_data: Any
    quality: Mapping[str, Any]
    kinds: Sequence[Kind]
    sha256: str
    removable: bool
    _client: Client = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], client: Client) -> Pack:
        """From the server's document."""
        values = {one.name: document[one.name] for one in fields(cls) if not one.name.startswith("_")}
        kinds = [Kind(**row) for row in document["kinds"]]
        return cls(**{**values, "kinds": kinds}, _client=client)

    def delete(self) -> None:
        """Delete it, where it was trained on the server."""
        self._client.delete_pack(self.name)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of many.

    Attributes:
        items: of this page.
        next: give it as `before` for the next one; None on the last.
    """

    items: Sequence[Item]
    next: str | None
