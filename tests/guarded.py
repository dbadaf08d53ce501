"""The application in this process, without workers, behind its gate; keys and jobs of several owners."""

from __future__ import annotations

import io
from pathlib import Path

from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from packshot.server.app import create_app
from packshot.server.security.keys import Keys
from packshot.server.settings import Settings

WORKING = ("read", "upload", "generate", "edit", "check", "listing", "train")


class Guarded:
    """An application and its keys.

    Attributes:
        http: asks as the page of this machine does, and shows no key.
    """

    def __init__(self, home: Path, **settings: object) -> None:
        settings.setdefault("longest_wait_seconds", 1e6)  # nobody does the jobs
        self.settings = Settings(home, backend="fake", **settings)  # type: ignore[arg-type]
        self.app: FastAPI = create_app(self.settings)
        self.keys = Keys(self.app.state.services.database)
        self.http = self.client()

    def client(self, *scopes: str, per_minute: int = 100_000, name: str = "") -> TestClient:
        """One that shows a new key with these scopes; without scopes, none."""
        client = TestClient(self.app, base_url="http://127.0.0.1:8333", raise_server_exceptions=False)
        if scopes:
            number = len(self.keys.listed())
            key, text = self.keys.create(name or f"key {number}", scopes, per_minute)
            client.headers["Authorization"] = f"Bearer {text}"
            client.key, client.text = key, text  # type: ignore[attr-defined]
        return client


def picture(colour: tuple[int, int, int] = (200, 30, 30), side: int = 16) -> bytes:
    """A PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def upload(client: TestClient, data: bytes | None = None) -> str:
    """The id of a new asset."""
    answer = client.post("/v1/assets", files={"file": ("p.png", data or picture(), "image/png")})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def submit(client: TestClient) -> str:
    """The id of a new job; nobody does it."""
    answer = client.post("/v1/generations", json={"prompt": "red shoe", "count": 1, "size": 64})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])
