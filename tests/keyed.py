"""A server that asks for keys, which are made and ended with the command, as its operator does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from command_line import packshot
from servers import RunningServer, serving

from packshot.server.database import Database
from packshot.server.security.keys import Keys
from packshot.server.settings import Settings

SHOP = ("read", "upload", "generate", "edit", "check", "listing")


@dataclass
class Keyed:
    """A server and its keys; `server.http` shows one that may do everything."""

    server: RunningServer
    made: int = 0

    @property
    def keys(self) -> Keys:
        """In the server's database."""
        return Keys(Database(Settings(self.server.home).database_url))

    def key(self, *scopes: str, name: str = "", per_minute: int = 100_000) -> tuple[str, str]:
        """A new key's name and text."""
        self.made += 1
        name = name or f"key {self.made}"
        return name, create(self.server.home, name, scopes or SHOP, per_minute)

    def revoke(self, name: str) -> None:
        """End a key."""
        _done("revoke", name, "--home", self.server.home)

    def rotate(self, name: str) -> str:
        """The key's other text."""
        return _done("rotate", name, "--home", self.server.home)


def create(home: Path, name: str, scopes: tuple[str, ...], per_minute: int = 100_000) -> str:
    """The text of a new key."""
    return _done("create", name, "--scopes", ",".join(scopes), "--per-minute", per_minute, "--home", home)


def _done(*arguments: object) -> str:
    done = packshot("keys", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def keyed(home: Path) -> Iterator[Keyed]:
    """A server that had a key before it began; until the block ends."""
    text = create(home, "operator", ("admin",))
    with serving(home, "--backend", "fake", "--workers", "1") as server:
        server.http.headers["Authorization"] = f"Bearer {text}"
        yield Keyed(server)
