"""What a job needs, without a server: assets of a database in a temporary folder, and progress that is remembered."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from packshot.server.assets import Asset, Assets, NewAsset
from packshot.server.database import Database
from packshot.server.settings import Settings
from packshot.server.tasks.interface import Outcome


@dataclass
class FakeContext:
    """A `Context` whose job nobody cancels."""

    settings: Settings
    assets: Assets
    job_id: str = "job_test"
    told: list[tuple[float, float, str]] = field(default_factory=list)
    stop_after: tuple[int, Exception] | None = None

    def progress(self, done: float, total: float, stage: str = "") -> None:
        self.told.append((done, total, stage))

    def look(self) -> None:
        if self.stop_after is not None and len(self.told) >= self.stop_after[0]:
            raise self.stop_after[1]

    def keep(self, data: bytes, name: str = "photo.jpg", media_type: str = "image/jpeg", **more: Any) -> str:
        """The id of a new asset."""
        size = None if media_type == "application/json" else Image.open(io.BytesIO(data)).size
        with self.assets.database.write() as connection:
            return self.assets.add(connection, NewAsset("upload", name, media_type, data, size, **more)).id

    def record(self, outcome: Outcome) -> list[Asset]:
        """What a job made, as a worker keeps it."""
        with self.assets.database.write() as connection:
            return [self.assets.add(connection, new) for new in outcome.assets]

    def content(self, identity: str) -> bytes:
        asset = self.assets.get(identity)
        assert asset is not None
        return self.assets.path_of(asset.sha256).read_bytes()


def context(home: Path, **settings: Any) -> FakeContext:
    """For a job of a server whose home is that folder."""
    chosen = Settings(home, **settings)
    database = Database(chosen.database_url)
    database.migrate()
    return FakeContext(chosen, Assets(database, home))
