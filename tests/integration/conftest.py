"""One server for all tests of the API in a process: its start takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers import RunningServer, serving


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Draws with the fake back-end."""
    with serving(tmp_path_factory.mktemp("api"), "--backend", "fake", "--workers", "1") as running:
        yield running
