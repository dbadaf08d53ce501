"""What tests ask of a running server again and again."""

from __future__ import annotations

import time
from typing import Any

from servers import RunningServer


def ended(server: RunningServer, job: dict[str, Any], seconds: float = 90.0) -> dict[str, Any]:
    """The job once it has ended."""
    until = time.monotonic() + seconds
    while job["status"] in ("queued", "running"):
        assert time.monotonic() < until, job
        time.sleep(0.05)
        job = server.http.get(f"/v1/jobs/{job['id']}").json()
    return job


def uploaded(server: RunningServer, data: bytes, name: str = "photo.jpg") -> str:
    """The id of a picture."""
    answer = server.http.post("/v1/assets", files={"file": (name, data)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def content(server: RunningServer, identity: str) -> bytes:
    answer = server.http.get(f"/v1/assets/{identity}/content")
    assert answer.status_code == 200, answer.text
    return answer.content
